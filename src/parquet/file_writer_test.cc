#include "parquet/file_writer.h"
