"""Scripts that make the assets of the package from this repository and pip packages alone."""
