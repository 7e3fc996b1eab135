"""Reading a repository, and the bundles it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.genesis import bundle_of, read_repository
from schemas.errors import BadConfig, DirectoryInvalid, NotFound
from schemas.limits import MAX_METADATA
from tests.support.directory import World, make_world
from tests.support.hub import write_repository


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def repository(world: World, tmp_path: Path) -> Path:
    return write_repository(world, tmp_path)


def test_every_bundle_is_the_one_that_was_published(world: World, repository: Path) -> None:
    for made in world.bundles:
        bundle = bundle_of(repository, made.role)
        assert (bundle.role, bundle.version, bundle.bundle) == (made.role, made.version, made.bundle)


def test_root_and_document(world: World, repository: Path) -> None:
    root, document = read_repository(repository)
    assert root == world.trusted_root
    assert document == world.document


@pytest.mark.parametrize("name", ["root.json", "directory.json"])
def test_a_missing_file_is_named(repository: Path, name: str) -> None:
    (repository / name).unlink()
    with pytest.raises(NotFound, match=name):
        read_repository(repository)


def test_an_unknown_role_has_no_files(repository: Path) -> None:
    with pytest.raises(NotFound, match="nz-customs"):
        bundle_of(repository, "nz-customs")


def test_an_oversized_file_is_refused(repository: Path) -> None:
    (repository / "root.json").write_bytes(b" " * (MAX_METADATA + 1))
    with pytest.raises(BadConfig):
        bundle_of(repository, "root")


def test_a_file_that_is_no_metadata_is_refused(repository: Path) -> None:
    (repository / "targets.json").write_bytes(b"{}")
    with pytest.raises(DirectoryInvalid):
        bundle_of(repository, "targets")
