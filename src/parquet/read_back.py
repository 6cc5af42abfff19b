"""Prints as one JSON object what pyarrow and DuckDB find in a Parquet file."""
import json
import sys

import duckdb
import pyarrow.parquet as pq


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def statistics(chunk):
    stats = chunk.statistics
    if stats is None:
        return None
    bounds = [plain(stats.min), plain(stats.max)] if stats.has_min_max else None
    return {"nulls": stats.null_count, "bounds": bounds}


path = sys.argv[1]
file = pq.ParquetFile(path)
meta = file.metadata
con = duckdb.connect()
con.execute("SET TimeZone='UTC'")
columns = ", ".join('"%s"::VARCHAR' % name for name in file.schema_arrow.names)
print(json.dumps({
    "rows": meta.num_rows,
    "groups": [meta.row_group(g).num_rows for g in range(meta.num_row_groups)],
    "fields": {
        f.name: [int(f.metadata[b"PARQUET:field_id"]), str(f.type), f.nullable]
        for f in file.schema_arrow
    },
    "logical": {meta.schema.column(i).name: str(meta.schema.column(i).logical_type)
                for i in range(meta.num_columns)},
    "chunks": {
        meta.row_group(0).column(i).path_in_schema: {
            "stats": statistics(meta.row_group(0).column(i)),
            "encodings": sorted(meta.row_group(0).column(i).encodings),
            "codec": meta.row_group(0).column(i).compression,
            "index": meta.row_group(0).column(i).has_column_index,
        }
        for i in range(meta.num_columns)
    } if meta.num_row_groups else {},
    "pyarrow": [[plain(v) for v in row.values()] for row in file.read().to_pylist()[:10]],
    "duckdb": [list(row) for row in
               con.execute("SELECT %s FROM read_parquet(?) LIMIT 10" % columns, [path]).fetchall()],
    "duckdb_types": [list(row[:2]) for row in
                     con.execute("DESCRIBE FROM read_parquet(?)", [path]).fetchall()],
    "bloom": [row[0] for row in con.execute(
        "SELECT DISTINCT path_in_schema FROM parquet_metadata(?) "
        "WHERE bloom_filter_offset IS NOT NULL ORDER BY 1", [path]).fetchall()],
}))
