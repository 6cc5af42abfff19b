"""Rewrites a Parquet file as another engine does, with or without its key-value metadata."""
import sys

import pyarrow.parquet as pq

source, target, metadata = sys.argv[1:]
table = pq.read_table(source)
if metadata == "without":
    table = table.replace_schema_metadata(None)
pq.write_table(table, target)
