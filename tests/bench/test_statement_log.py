from pathlib import Path

from bench.statement_log import StatementLog

_LOG = b"""holdfast-api@holdfast LOG:  statement: BEGIN;
holdfast-api@holdfast LOG:  execute __asyncpg_stmt_1__: SELECT
    1 AS execute
holdfast-api@holdfast DETAIL:  parameters: $1 = '1'
holdfast-api@other LOG:  statement: BEGIN;
holdfast-worker@holdfast LOG:  statement: COMMIT;
"""


def test_only_the_statements_of_one_program_to_one_database_count(tmp_path: Path) -> None:
    path = tmp_path / "postgres.log"
    path.write_bytes(_LOG)
    assert StatementLog(path, b"holdfast-api@holdfast ").count() == 2
