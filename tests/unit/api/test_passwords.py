"""Verifying a password of an unknown user costs as much as a real one."""

from argon2 import PasswordHasher

from api.auth import passwords


def test_nobodys_hash_has_the_profile_of_the_hashes_that_are_stored() -> None:
    nobody = passwords._NOBODY
    assert not PasswordHasher().check_needs_rehash(nobody)
    assert nobody.split("$")[:4] == passwords.hash_password("somebody's password").split("$")[:4]


async def test_nobody_has_no_password() -> None:
    assert not await passwords.verify_password(None, "nobody's password")
