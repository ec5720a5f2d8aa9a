"""The table of scores: what is in it, and what leaves when the terminal is narrow."""

import pytest

from sciml.cli.scores import print_scores

SCORES = {
    "splits": {
        "test": {
            "all": {"energy_mae_mev_per_atom": 5.25, "forces_rmse_ev_per_angstrom": 0.05123, "n_atoms": 640},
            "groups": {
                "melt": {"energy_mae_mev_per_atom": 1234.5, "forces_rmse_ev_per_angstrom": None},
                "vacancy": {"energy_mae_mev_per_atom": 0.0},
            },
            "baseline": {"energy_mae_mev_per_atom": 300.0, "forces_rmse_ev_per_angstrom": 1.0},
        }
    }
}


def printed(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The rows of the table, cell by cell."""
    print_scores(SCORES, "si")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "si, test split"
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_all_groups_and_baseline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert printed(capsys) == [
        ["energy MAE (meV/atom)", "5.25", "1.23e+03", "0.00", "300"],
        ["forces RMSE (eV/Å)", "0.0512", "-", "-", "1.00"],
    ]


def test_a_narrow_terminal_shows_all_and_baseline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert printed(capsys) == [
        ["energy MAE (meV/atom)", "5.25", "300"],
        ["forces RMSE (eV/Å)", "0.0512", "1.00"],
    ]
