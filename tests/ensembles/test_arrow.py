"""Arrow columns as arrays and back, equal to what pyarrow gives, and without pandas."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from ensembles.arrow import number_column, numbers, text_column


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5, 2.5, 3.5], pa.float32()),
        pa.array([1.5, None, 3.5], pa.float64()),
        pa.array([1, -2, 3], pa.int16()),
        pa.array([True, False]),
        pa.array([], pa.float32()),
        pa.array([4, 5, 6, 7], pa.int64()).slice(1, 2),
    ],
)
def test_numbers_are_those_of_pyarrow(values):
    expected = values.to_numpy(zero_copy_only=False)
    found = numbers(values)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int64])
def test_a_column_of_numbers_is_the_one_of_pyarrow(dtype):
    values = np.arange(12, dtype=dtype)[::3]
    assert number_column(values).equals(pa.array(values))


@pytest.mark.parametrize("texts", [["a.jpg", "", "ä\u20ac.jpg", "\U0001f600"], []])
def test_a_column_of_text_is_the_one_of_pyarrow(texts):
    column = text_column(texts)
    column.validate(full=True)
    assert column.equals(pa.array(texts, pa.string()))


def test_tables_are_written_and_read_without_pandas(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from ensembles import OofTable, read_members, write_table\n"
        "ids, fold = np.array(['a', 'b'], object), np.array([0, 1], np.int16)\n"
        "table = OofTable(ids, np.eye(2, dtype=np.float32), fold, fold, group=ids)\n"
        f"write_table({str(tmp_path / 'm' / 'oof.parquet')!r}, table)\n"
        f"assert read_members({str(tmp_path)!r}, 'oof')['m'].group.tolist() == ['a', 'b']\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
