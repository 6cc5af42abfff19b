#include "parquet/writer.h"

#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_writer.h>
#include <parquet/properties.h>

#include <algorithm>
#include <exception>
#include <set>

#include "codec/hash.h"
#include "parquet/checksum_internal.h"
#include "parquet/column_chunk_internal.h"
#include "parquet/column_stats_internal.h"

namespace tarn::parquet {
namespace {

using event::TypeKind;

// A dictionary is given up for plain pages at this size; Arrow's 1 MB makes files a fifth bigger.
constexpr int64_t kDictionaryLimitBytes = 4 << 20;
// The size of a row group is looked at after so many rows.
constexpr size_t kSliceRows = 4'096;
constexpr double kBloomFalsePositives = 0.01;
constexpr int kZstdChecksumFlag = 201;  // ZSTD_c_checksumFlag
constexpr int64_t kMagicBytes = 4;
constexpr int64_t kLengthBytes = 4;  // of the footer's length, and of the magic behind it

// Behind each column chunk. Where damage of a page's header makes a reader run over the end of the
// chunk, it finds this instead of the next one's first page: a header that ends before it began,
// which no reader takes for a page.
constexpr std::string_view kFence("\0", 1);

// Arrow's output stream over an object. Keeps our own error, which is more exact than Arrow's, and
// puts the checksum of all bytes into the footer.
class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(std::unique_ptr<store::ObjectWriter> sink) : sink_(std::move(sink)) {}

  arrow::Status Write(const void* data, int64_t size) override {
    if (abandoned_) return arrow::Status::Cancelled("the file was given up");
    const std::string_view bytes(static_cast<const char*>(data), static_cast<size_t>(size));
    const std::string_view fence = chunks_due_ > 0 ? kFence : std::string_view();
    if (chunks_due_ > 0) --chunks_due_;
    written_ += size + static_cast<int64_t>(fence.size());
    // The last piece that is longer than the footer's length, or the magic, is the footer.
    const std::string before = size > kLengthBytes ? std::exchange(held_, {}) : std::string();
    ARROW_RETURN_NOT_OK(Pass(before));
    if (closing_) {
      held_.append(bytes).append(fence);
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(Pass(bytes));
    return Pass(fence);
  }
  using arrow::io::OutputStream::Write;
  arrow::Result<int64_t> Tell() const override { return written_; }
  // The object is finished by FileWriter::Finish, not by Arrow.
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

  // The next so many pieces are column chunks.
  void BeginChunks(size_t count) { chunks_due_ = count; }
  // What comes from now on ends with the footer.
  void BeginEnd() { closing_ = true; }
  Status FinishSink() {
    const auto footer_bytes = static_cast<int64_t>(held_.size()) - 2 * kLengthBytes;
    if (footer_bytes <= 0) return Internal("parquet: there is no footer");
    std::string footer = held_.substr(0, static_cast<size_t>(footer_bytes));
    if (!SealFooter(footer, hash_.Digest())) return Internal("parquet: a footer of another form");
    held_.replace(0, footer.size(), footer);
    TARN_TRY(sink_->Write(held_));
    return sink_->Finish();
  }
  // No byte reaches the sink from now on.
  void Abandon() { abandoned_ = true; }
  int64_t written() const { return written_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  arrow::Status Pass(std::string_view bytes) {
    hash_.Add(bytes);
    if (auto status = sink_->Write(bytes); !status.ok()) {
      error_ = status.error();
      abandoned_ = true;
      return arrow::Status::IOError("sink");
    }
    return arrow::Status::OK();
  }

  std::unique_ptr<store::ObjectWriter> sink_;
  codec::Xxh3Stream hash_;  // of what was passed on
  std::string held_;
  size_t chunks_due_ = 0;
  bool closing_ = false;
  int64_t written_ = 0;
  bool abandoned_ = false;
  bool closed_ = false;
  std::optional<Error> error_;
};

Error FromArrow(const arrow::Status& status) {
  std::string message = "parquet: " + status.message();
  if (status.IsOutOfMemory() || status.IsCapacityError()) return ResourceExhausted(message);
  if (status.IsInvalid() || status.IsTypeError()) return InvalidArgument(message);
  return Internal(message);
}

bool Contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Status CheckOptions(const event::Schema& schema, const WriterOptions& options) {
  if (schema.fields.empty()) return InvalidArgument("a Parquet file needs at least one column");
  std::set<int32_t> ids;
  std::set<std::string_view> names;
  for (const event::Field& field : schema.fields) {
    if (field.id < 1 || !ids.insert(field.id).second || !names.insert(field.name).second) {
      return InvalidArgument(fmt::format("column '{}': name or field id {} is taken or invalid",
                                         field.name, field.id));
    }
  }
  for (const auto* list :
       {&options.without_bounds, &options.bloom_filters, &options.without_dictionary}) {
    for (const int32_t id : *list) {
      if (!ids.contains(id)) return InvalidArgument(fmt::format("no column has field id {}", id));
    }
  }
  if (options.zstd_level < 1 || options.zstd_level > 22 || options.row_group_rows < 1 ||
      options.row_group_bytes < 1) {
    return InvalidArgument("zstd_level must be 1 to 22, row group limits positive");
  }
  return {};
}

// Long integers and times rarely repeat: their differences are smaller than a dictionary.
bool WantsDelta(TypeKind kind) {
  return kind == TypeKind::kLong || kind == TypeKind::kTime || kind == TypeKind::kTimestamp ||
         kind == TypeKind::kTimestamptz;
}

void SetColumnProperties(const event::Field& field, const WriterOptions& options,
                         ::parquet::WriterProperties::Builder& builder) {
  const auto path = std::make_shared<::parquet::schema::ColumnPath>(std::vector{field.name});
  if (WantsDelta(field.type.kind)) {
    builder.disable_dictionary(path)->encoding(path, ::parquet::Encoding::DELTA_BINARY_PACKED);
  } else if (field.type.kind == TypeKind::kUuid || field.type.kind == TypeKind::kBoolean ||
             Contains(options.without_dictionary, field.id)) {
    builder.disable_dictionary(path);
  }
  if (Contains(options.without_bounds, field.id)) {
    builder.disable_statistics(path)->disable_write_page_index(path);
  }
  if (Contains(options.bloom_filters, field.id) && field.type.kind != TypeKind::kBoolean) {
    ::parquet::BloomFilterOptions bloom;
    bloom.ndv = options.bloom_distinct_values;
    bloom.fpp = kBloomFalsePositives;
    builder.enable_bloom_filter(path, bloom);
  }
}

std::shared_ptr<::parquet::WriterProperties> Properties(const event::Schema& schema,
                                                        const WriterOptions& options) {
  // Every reader checks it, and DuckDB knows no checksum of pages.
  auto zstd = std::make_shared<arrow::util::ZstdCodecOptions>();
  zstd->compression_level = options.zstd_level;
  zstd->compression_context_params = {{kZstdChecksumFlag, 1}};
  ::parquet::WriterProperties::Builder builder;
  builder.compression(::parquet::Compression::ZSTD)
      ->codec_options(zstd)
      ->max_row_group_length(options.row_group_rows)
      ->dictionary_pagesize_limit(kDictionaryLimitBytes)
      ->enable_write_page_index()
      ->created_by("Tarn");
  for (const event::Field& field : schema.fields) SetColumnProperties(field, options, builder);
  return builder.build();
}

// Arrow hands each chunk over as one piece, which a fence then follows; that it does is its own
// business, so it is checked.
Status CheckFences(const ::parquet::FileMetaData& file) {
  int64_t expected = kMagicBytes;
  for (int group = 0; group < file.num_row_groups(); ++group) {
    const auto row_group = file.RowGroup(group);
    for (int column = 0; column < row_group->num_columns(); ++column) {
      const auto chunk = row_group->ColumnChunk(column);
      const int64_t begin = chunk->has_dictionary_page() ? chunk->dictionary_page_offset()
                                                         : chunk->data_page_offset();
      if (begin != expected) return Internal("parquet: column chunks are not where they should be");
      expected += chunk->total_compressed_size() + static_cast<int64_t>(kFence.size());
    }
  }
  return {};
}

class ArrowFileWriter final : public FileWriter {
 public:
  ArrowFileWriter(const event::Schema& schema, const WriterOptions& options,
                  std::unique_ptr<store::ObjectWriter> sink)
      : schema_(schema),
        options_(options),
        sink_(std::make_shared<SinkStream>(std::move(sink))),
        nulls_(schema.fields.size()),
        nan_nulled_(schema.fields.size()) {}
  ~ArrowFileWriter() override {
    // Arrow's destructor would write a footer.
    sink_->Abandon();
  }

  Status OpenWriter();
  Status Write(const event::ColumnBatch& batch) override;
  Result<FileStats> Finish() override;
  int64_t rows() const override { return rows_; }
  uint64_t estimated_bytes() const override;

 private:
  // Runs a step that calls Arrow: exceptions become errors, an error ends the file.
  template <typename Step>
  Status Guarded(Step&& step);
  Status CheckBatch(const event::ColumnBatch& batch) const;
  void BeginRowGroup();
  Status WriteSlice(const event::ColumnBatch& batch, Rows rows);
  FileStats Stats() const;

  const event::Schema schema_;
  const WriterOptions options_;
  const std::shared_ptr<SinkStream> sink_;
  std::unique_ptr<::parquet::ParquetFileWriter> writer_;
  ::parquet::RowGroupWriter* group_ = nullptr;  // the open one, writer_'s
  ColumnChunks chunks_;
  std::vector<int64_t> nulls_;
  std::vector<int64_t> nan_nulled_;
  int64_t rows_ = 0;
  int64_t group_rows_ = 0;
  uint64_t group_bytes_ = 0;    // in memory form, of the open row group
  uint64_t grouped_bytes_ = 0;  // in memory form, of the row groups before it
  std::optional<Error> error_;
};

template <typename Step>
Status ArrowFileWriter::Guarded(Step&& step) {
  if (error_) return *error_;
  Status status;
  try {
    status = step();
  } catch (const ::parquet::ParquetStatusException& exception) {
    status = FromArrow(exception.status());
  } catch (const std::bad_alloc&) {
    status = ResourceExhausted("parquet: out of memory");
  } catch (const std::exception& exception) {
    status = Internal(fmt::format("parquet: {}", exception.what()));
  }
  if (!status.ok()) {
    error_ = sink_->error() ? *sink_->error() : status.error();
    sink_->Abandon();
    return *error_;
  }
  return {};
}

Status ArrowFileWriter::OpenWriter() {
  return Guarded([&]() -> Status {
    arrow::FieldVector fields;
    for (const event::Field& field : schema_.fields) {
      TARN_ASSIGN_OR_RETURN(auto arrow_field, ArrowField(field));
      fields.push_back(std::move(arrow_field));
    }
    const auto properties = Properties(schema_, options_);
    std::shared_ptr<::parquet::SchemaDescriptor> schema;
    const auto converted = ::parquet::arrow::ToParquetSchema(arrow::schema(std::move(fields)).get(),
                                                             *properties, &schema);
    if (!converted.ok()) return FromArrow(converted);
    const auto root = std::static_pointer_cast<::parquet::schema::GroupNode>(schema->schema_root());
    writer_ = ::parquet::ParquetFileWriter::Open(sink_, root, properties);
    return {};
  });
}

Status ArrowFileWriter::CheckBatch(const event::ColumnBatch& batch) const {
  if (batch.column_count() != schema_.fields.size()) {
    return InvalidArgument(fmt::format("a batch of {} columns for a file of {}",
                                       batch.column_count(), schema_.fields.size()));
  }
  for (size_t i = 0; i < schema_.fields.size(); ++i) {
    const event::Field& field = schema_.fields[i];
    if (batch.column(i).kind() != field.type.kind || batch.column(i).size() != batch.rows()) {
      return InvalidArgument(
          fmt::format("column '{}': the batch has another type or row count", field.name));
    }
  }
  return {};
}

void ArrowFileWriter::BeginRowGroup() {
  sink_->BeginChunks(schema_.fields.size());
  if (group_ != nullptr) group_->Close();
  group_ = writer_->AppendBufferedRowGroup();
  grouped_bytes_ += group_bytes_;
  group_rows_ = 0;
  group_bytes_ = 0;
}

Status ArrowFileWriter::WriteSlice(const event::ColumnBatch& batch, Rows rows) {
  for (size_t i = 0; i < schema_.fields.size(); ++i) {
    TARN_ASSIGN_OR_RETURN(const Written written,
                          chunks_.Write(batch.column(i), schema_.fields[i], rows,
                                        *group_->column(static_cast<int>(i))));
    nulls_[i] += written.nulls;
    nan_nulled_[i] += written.nan_nulled;
    group_bytes_ += written.bytes;
  }
  rows_ += static_cast<int64_t>(rows.count());
  group_rows_ += static_cast<int64_t>(rows.count());
  return {};
}

Status ArrowFileWriter::Write(const event::ColumnBatch& batch) {
  return Guarded([&]() -> Status {
    TARN_TRY(CheckBatch(batch));
    for (size_t begin = 0; begin < batch.rows();) {
      const bool is_full =
          group_rows_ >= options_.row_group_rows || group_bytes_ >= options_.row_group_bytes;
      if (group_ == nullptr || is_full) BeginRowGroup();
      const auto room = static_cast<size_t>(options_.row_group_rows - group_rows_);
      const size_t end = std::min({batch.rows(), begin + room, begin + kSliceRows});
      TARN_TRY(WriteSlice(batch, {begin, end}));
      begin = end;
    }
    return {};
  });
}

Result<FileStats> ArrowFileWriter::Finish() {
  FileStats stats;
  Status finished = Guarded([&]() -> Status {
    if (rows_ > 0) sink_->BeginChunks(schema_.fields.size());
    sink_->BeginEnd();
    writer_->AddKeyValueMetadata(arrow::key_value_metadata({std::string(kChecksumKey)},
                                                           {std::string(kChecksumDigits, '0')}));
    writer_->Close();
    TARN_TRY(CheckFences(*writer_->metadata()));
    TARN_TRY(sink_->FinishSink());
    stats = Stats();
    return {};
  });
  if (!finished.ok()) return std::move(finished).error();
  return stats;
}

FileStats ArrowFileWriter::Stats() const {
  const auto metadata = writer_->metadata();
  FileStats stats{.rows = rows_, .size_bytes = static_cast<uint64_t>(sink_->written())};
  stats.split_offsets = SplitOffsets(*metadata);
  for (size_t i = 0; i < schema_.fields.size(); ++i) {
    const event::Field& field = schema_.fields[i];
    ColumnStats column = StatsOfColumn(*metadata, field, static_cast<int>(i));
    column.null_count = nulls_[i];
    if (field.type.kind == TypeKind::kFloat || field.type.kind == TypeKind::kDouble) {
      column.nan_nulled = nan_nulled_[i];
    }
    stats.columns.push_back(std::move(column));
  }
  return stats;
}

uint64_t ArrowFileWriter::estimated_bytes() const {
  const auto written = static_cast<uint64_t>(sink_->written());
  // What the row groups so far became, or a quarter: what zstd does to logs at worst.
  const double ratio = grouped_bytes_ == 0
                           ? 0.25
                           : static_cast<double>(written) / static_cast<double>(grouped_bytes_);
  return written + static_cast<uint64_t>(ratio * static_cast<double>(group_bytes_));
}

}  // namespace

Result<std::unique_ptr<FileWriter>> FileWriter::Open(std::unique_ptr<store::ObjectWriter> sink,
                                                     const event::Schema& schema,
                                                     const WriterOptions& options) {
  TARN_TRY(CheckOptions(schema, options));
  auto writer = std::make_unique<ArrowFileWriter>(schema, options, std::move(sink));
  TARN_TRY(writer->OpenWriter());
  return std::unique_ptr<FileWriter>(std::move(writer));
}

}  // namespace tarn::parquet
