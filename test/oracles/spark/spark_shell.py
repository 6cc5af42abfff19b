#!/usr/bin/env python3
"""Spark behind a pipe: one JSON text with a statement a line in, one JSON answer a line out, {"rows": [...]} or
{"error": text}. Arguments: the SQLite file of the Iceberg catalog "lake", a folder for what Spark writes, the jars.
Timestamps come as microseconds, dates as days, decimals as text, bytes in base64, maps as pairs. Ends with its input."""
import base64
import datetime as dt
import decimal
import json
import os
import sys
import time

from pyspark.sql import Row, SparkSession

EPOCH = dt.datetime(1970, 1, 1)


def plain(value):
    if isinstance(value, dt.datetime):  # in the zone of the process, which is UTC
        return (value - EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - EPOCH.date()).days
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, Row):
        return {name: plain(item) for name, item in zip(value.__fields__, value)}
    if isinstance(value, dict):
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def open_session(catalog, folder, jars):
    settings = {
        "spark.jars": jars,
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": folder,
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "jdbc",
        "spark.sql.catalog.lake.uri": f"jdbc:sqlite:{catalog}",
        "spark.sql.catalog.lake.jdbc.schema-version": "V1",
        "spark.sql.catalog.lake.warehouse": f"file://{folder}",
        "spark.sql.catalog.lake.cache-enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("tarn-oracle")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def main():
    os.environ["TZ"] = "UTC"
    time.tzset()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Spark prints is not an answer
    spark = open_session(*sys.argv[1:4])
    spark.sparkContext.setLogLevel("ERROR")
    for line in sys.stdin:
        try:
            answer = {"rows": [[plain(value) for value in row] for row in spark.sql(json.loads(line)).collect()]}
        except Exception as error:  # pylint: disable=broad-except
            answer = {"error": str(error)[:2000]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    spark.stop()


if __name__ == "__main__":
    main()
