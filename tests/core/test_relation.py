"""How a statement relates to an older memory: above all, what it must not replace."""

from __future__ import annotations

import pytest

from memos_cli.core.relation import Relation, relation


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("My boss is Hanne Solberg.", "My new boss is Ingvild Strand."),
        ("My boss at the clinic is Hanne Solberg.", "My new boss is Ingvild Strand, she is nice."),
        ("My sister Ragnhild lives in Oslo.", "My sister Ragnhild has moved to Bod\u00f8."),
        ("I live in Ghent.", "I moved to Namur."),
        ("I work at Freightwise.", "I started at Corvid Labs in May."),
        ("The bins are emptied on Wednesdays.", "The bins are now emptied on Thursdays."),
        ("My desk is in room 214.", "My desk is in room 305."),
        ("Our son Eskil is seven.", "Our son Eskil turned eight yesterday."),
        ("We use Physiotools for the plans.", "We switched from Physiotools to Exorlive."),
        ("I've been vegetarian since 2015.", "I'm not vegetarian any more, I eat chicken again."),
        ("I don't have admin rights on the server.", "I have admin rights on the server now."),
        ("I prefer tea over coffee.", "These days I prefer coffee to tea."),
        ("The wifi password is tulip-77.", "I changed the wifi password to lotus-12."),
        ("My favourite colour is blue.", "My favourite colour is green."),
        ("I drive a Volvo.", "I sold the Volvo last week."),
        ("There are six people in my team.", "My team has grown to nine people."),
    ],
)
def test_a_change_replaces(older: str, newer: str) -> None:
    assert relation(older, newer) is Relation.REPLACES


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("My son lives in Oslo.", "My daughter has moved to Bergen."),
        ("My sister Ragnhild lives in Oslo.", "My sister Kari has moved to Bergen."),
        ("My boss is Hanne Solberg.", "My old boss was Terje Lunde."),
        ("My old boss was Terje Lunde.", "My new boss is Ingvild Strand."),
        ("My boss is Hanne Solberg.", "My boss's new husband is Terje Lunde."),
        ("My boss is Hanne Solberg.", "My boss is married to Kari Lunde."),
        ("My boss is Hanne Solberg.", "My boss is on holiday in Spain now."),
        ("My boss is Hanne Solberg.", "My dentist is Terje Lunde."),
        ("My partner is called Joakim.", "My partner is allergic to Brazil nuts."),
        ("My phone number is 555 0142.", "My mother's new phone number is 555 0177."),
        ("My car is a Volvo.", "My car is at Olsen's garage now."),
        ("My desk is in room 214.", "My new desk lamp is in room 305."),
        ("My meeting is on Tuesday.", "My meeting with Bob is on Thursday."),
        ("My meeting with Ann is on Tuesday.", "My meeting with Bob is now on Thursday."),
        ("The train to Oslo is at 9:30.", "The train to Bergen is at 10:15."),
        ("My flight is at 9:30.", "My flight back is at 18:00."),
        ("My appointment is on 3 May.", "My appointment is on 9 June."),
        ("The password of the router is tulip.", "The password of the printer is lotus."),
        ("Release 3.2 is due on 30 April.", "Release 3.3 is now due on 30 June."),
        ("I work at Freightwise.", "I work with Anna from Corvid."),
        ("I live in Ghent.", "I'm living with my sister now."),
        ("I live in Ghent.", "I live near the station."),
        ("I live in Ghent.", "I moved to Slack from Teams."),
        ("I live in Ghent.", "I moved to the second team."),
        ("I live in Ghent.", "Next year I will live in Rome."),
        ("I lived in Ghent.", "I moved to Namur."),
        ("The spare keys are under the mat.", "I left the keys at work."),
        ("The code of my bike lock is 9023.", "I sold the bike."),
        ("I go to the gym on Mondays.", "I stopped at the gym on the way."),
        ("I'm allergic to peanuts.", "I'm allergic to cats now."),
        ("I speak German.", "I'm learning Spanish now."),
        ("I love fantasy novels.", "I love sci-fi films now."),
        ("I have a dog.", "I don't have a cat."),
        ("We can do this!", "I won't forget that."),
        ("I'm going for my dreams.", "I won't quit on my dreams."),
        ("My name is Owen and I work at Lagan.", "I no longer work at Lagan."),
        ("Joakim's birthday is 12 November.", "My birthday is 30 January."),
        ("The meeting room is booked at 9:00.", "The meeting is now at 10:00."),
        ("My friend lives in Oslo.", "My friend moved to Bergen."),
        ("Tuva does ballet on Tuesdays.", "Tuva does judo on Fridays now."),
        ("I run on Mondays.", "I run the tests on Fridays now."),
    ],
)
def test_what_may_both_be_true_stays(older: str, newer: str) -> None:
    assert relation(older, newer) in {Relation.APART, Relation.MAY_REPLACE}
    assert relation(newer, older) is not Relation.SAME


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("I can't stand coriander.", "I really can't stand coriander!"),
        ("My boss at the clinic is Hanne.", "Hanne is my boss at the clinic."),
        ("I'm allergic to penicillin.", "Remember: I'm allergic to penicillin."),
        ("The bins are now emptied on Thursdays.", "bins get emptied on thursdays now"),
        ("Ciara can\u2019t eat gluten.", "Ciara can't eat gluten"),
    ],
)
def test_what_was_told_before_is_the_same(older: str, newer: str) -> None:
    assert relation(older, newer) is Relation.SAME


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("I like coriander in soup.", "I don't like coriander in soup."),
        ("My sister lives in Oslo now.", "My brother lives in Oslo now."),
        ("I live in Oslo, Norway.", "She lives in Oslo, Norway."),
        ("I was a nurse in Oslo.", "I am a nurse in Oslo."),
        ("The code is 4711 at home.", "The code is 4712 at home."),
        ("I love it!", "I'd love to have you over again."),
        ("I live in Ghent.", "I live in Ghent, near the castle."),
        ("Our flight to Rome is at 9.", "Our flight from Rome is at 9."),
        ("Ana owes me 50 euros.", "I owe Ana 50 euros."),
        ("Ana told me that Joris was fired.", "Joris told me that Ana was fired."),
        ("Dogs like my mother.", "My mother likes dogs."),
        ("I use C.", "I use C++."),
        ("My blood type is A+.", "My blood type is A-."),
        ("The freezer is at 18 degrees.", "The freezer is at -18 degrees."),
        ("My son is called Jonas.", "My son is called Jona."),
    ],
)
def test_what_only_looks_alike_is_not_the_same(older: str, newer: str) -> None:
    assert relation(older, newer) is not Relation.SAME


def test_a_number_in_short_is_no_negation() -> None:
    pair = ("My insurance number is KV-449-201.", "My insurance no. is KV-449-201.")
    assert relation(*pair) is not Relation.REPLACES
    assert relation(*reversed(pair)) is not Relation.REPLACES
