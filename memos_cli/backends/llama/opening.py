"""A model and its context, opened with the parameters that KV states depend on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends.llama.lane import LANES
from memos_cli.backends.llama.library import library, threads_for, unloadable
from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.prompt import BLOCK

if TYPE_CHECKING:
    from pathlib import Path

KV_TYPES: Final = {"f16": 1, "q8_0": 8}
"""What keys and values may be stored as, with ggml's number of the type."""

FLASH: Final = {"f16": 0, "q8_0": 1}
"""Whether attention is computed without ever holding all of its weights; llama.h's numbers."""


def opened(path: Path, n_ctx: int, threads: int | None, kv_type: str) -> tuple[Any, Any]:
    """llama.cpp's model and context for the file at `path`, which has been checked.

    The context has at most `n_ctx` tokens and at most what the model was trained for. Raises
    ModelUnusableError.
    """
    lib = library()
    model = lib.llama_model_load_from_file(os.fsencode(path), lib.llama_model_default_params())
    if not model:
        raise unloadable(path)
    trained = int(lib.llama_model_n_ctx_train(model))
    params = lib.llama_context_default_params()
    params.n_ctx = max(1, min(n_ctx, trained) if trained > 0 else n_ctx)
    params.n_batch = params.n_ubatch = BLOCK
    params.n_seq_max, params.kv_unified, params.no_perf = LANES, True, True
    params.n_threads, params.n_threads_batch = threads_for(path, threads)
    params.type_k = params.type_v = KV_TYPES[kv_type]
    # On a CPU ggml's flash attention takes up to eight times as long for fewer than 64 tokens at
    # once, a question for example, and no less for 64; but quantised values need it.
    params.flash_attn_type = FLASH[kv_type]
    context = lib.llama_init_from_model(model, params)
    if not context:
        lib.llama_model_free(model)
        if kv_type != "f16":
            msg = f"llama.cpp cannot run the model {path} with {kv_type} keys and values."
            raise ModelUnusableError(msg, hint="`memos config activation.kv_type f16`.")
        raise unloadable(path)
    if lib.llama_model_has_encoder(model) or not lib.llama_get_memory(context):
        lib.llama_free(context)
        lib.llama_model_free(model)
        msg = f"The model {path} does not continue text, so it cannot chat."
        raise ModelUnusableError(msg)
    return model, context
