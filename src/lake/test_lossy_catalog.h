#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "os/mutex.h"

namespace tarn::lake {

// For tests: a catalog whose answers to commits get lost. While `lost` is set, commits are applied
// if `applies`, and answered with Io. While `busy` is set, another process seems to hold it, from
// the second commit on if `lost` is set, too.
class LossyCatalog final : public catalog::Catalog {
 public:
  explicit LossyCatalog(catalog::Catalog& catalog) : catalog_(catalog) {}

  std::atomic<bool> lost = false;
  std::atomic<bool> applies = true;
  std::atomic<bool> busy = false;
  // What others do just before the next commit is applied; nothing else may commit meanwhile.
  std::function<void()> meanwhile;

  Result<catalog::CommitReceipt> Apply(const catalog::Commit& commit) override {
    if (busy && !lost) {
      ++busy_answers_;
      return Unavailable("another process holds it");
    }
    if (const auto others = std::exchange(meanwhile, nullptr)) others();
    if (!lost) {
      auto receipt = catalog_.Apply(commit);
      Count(&answered_);
      return receipt;
    }
    if (applies) {
      // Of what it says nothing is heard.
      (void)catalog_.Apply(commit);
    }
    if (busy) lost = false;
    Count(&unanswered_);
    return IoError("no answer");
  }

  int busy_answers() const { return busy_answers_; }
  // Until a commit was answered, or was not; a minute at most.
  void AwaitAnswered() { Await(&answered_); }
  void AwaitUnanswered() { Await(&unanswered_); }

  Result<std::optional<catalog::CommitReceipt>> FindCommit(const std::string& commit_id) override {
    return catalog_.FindCommit(commit_id);
  }
  Result<std::vector<catalog::CommitReceipt>> ListCommits(size_t limit) override {
    return catalog_.ListCommits(limit);
  }
  Result<catalog::Dataset> CreateDataset(const catalog::DatasetSpec& spec,
                                         const catalog::Actor& who) override {
    return catalog_.CreateDataset(spec, who);
  }
  Result<catalog::Dataset> GetDataset(const catalog::DatasetName& name) override {
    return catalog_.GetDataset(name);
  }
  Result<std::vector<catalog::Dataset>> ListDatasets(std::optional<catalog::Zone> zone) override {
    return catalog_.ListDatasets(zone);
  }
  Result<catalog::Dataset> UpdateDataset(const catalog::DatasetName& name,
                                         const catalog::DatasetChange& change,
                                         const catalog::Actor& who) override {
    return catalog_.UpdateDataset(name, change, who);
  }
  Result<catalog::Dataset> SetTags(const catalog::DatasetName& name,
                                   const std::vector<catalog::TagChange>& changes,
                                   const catalog::Actor& who) override {
    return catalog_.SetTags(name, changes, who);
  }
  Result<std::vector<catalog::TaggedDataset>> ListTags(const std::string& key) override {
    return catalog_.ListTags(key);
  }
  Status DropDataset(const catalog::DatasetName& name, const catalog::Actor& who) override {
    return catalog_.DropDataset(name, who);
  }
  Result<catalog::Fence> AcquireFence(const std::string& pipeline, const std::string& holder,
                                      int64_t ttl_micros, catalog::Acquire mode) override {
    return catalog_.AcquireFence(pipeline, holder, ttl_micros, mode);
  }
  Result<catalog::Fence> RenewFence(const std::string& pipeline, catalog::FencingToken token,
                                    int64_t ttl_micros) override {
    return catalog_.RenewFence(pipeline, token, ttl_micros);
  }
  Status ReleaseFence(const std::string& pipeline, catalog::FencingToken token) override {
    return catalog_.ReleaseFence(pipeline, token);
  }
  Result<std::string> GetPosition(const std::string& pipeline) override {
    return catalog_.GetPosition(pipeline);
  }
  Result<std::vector<catalog::PipelineState>> ListPipelines() override {
    return catalog_.ListPipelines();
  }
  Result<std::optional<catalog::Watermark>> GetWatermark(
      const catalog::WatermarkKey& key) override {
    return catalog_.GetWatermark(key);
  }
  Result<std::vector<catalog::Watermark>> ListWatermarks(const std::string& source) override {
    return catalog_.ListWatermarks(source);
  }
  Status RecordRun(const catalog::LineageRun& run) override { return catalog_.RecordRun(run); }
  Result<std::vector<catalog::LineageRun>> ListRuns(const catalog::RunFilter& filter) override {
    return catalog_.ListRuns(filter);
  }
  Result<std::optional<catalog::LineageRun>> LastSuccessfulRun(const std::string& job) override {
    return catalog_.LastSuccessfulRun(job);
  }
  Result<std::vector<catalog::DatasetEvent>> ReadEvents(int64_t after_id, size_t limit) override {
    return catalog_.ReadEvents(after_id, limit);
  }
  Status RegisterConsumer(const std::string& consumer) override {
    return catalog_.RegisterConsumer(consumer);
  }
  Result<int64_t> GetConsumerPosition(const std::string& consumer) override {
    return catalog_.GetConsumerPosition(consumer);
  }
  Status AdvanceConsumer(const std::string& consumer, int64_t event_id) override {
    return catalog_.AdvanceConsumer(consumer, event_id);
  }
  Status DropConsumer(const std::string& consumer) override {
    return catalog_.DropConsumer(consumer);
  }
  Result<std::vector<catalog::ConsumerState>> ListConsumers() override {
    return catalog_.ListConsumers();
  }
  Result<std::vector<catalog::ReplayMark>> ListReplays(
      const catalog::DatasetName& dataset) override {
    return catalog_.ListReplays(dataset);
  }
  Status PutUser(const catalog::User& user, const catalog::Actor& who) override {
    return catalog_.PutUser(user, who);
  }
  Result<catalog::User> GetUser(const std::string& name) override { return catalog_.GetUser(name); }
  Result<std::vector<catalog::User>> ListUsers() override { return catalog_.ListUsers(); }
  Status DropUser(const std::string& name, const catalog::Actor& who) override {
    return catalog_.DropUser(name, who);
  }
  Status PutKey(const catalog::AccessKey& key, const catalog::Actor& who) override {
    return catalog_.PutKey(key, who);
  }
  Result<catalog::AccessKey> GetKey(const std::string& key_id) override {
    return catalog_.GetKey(key_id);
  }
  Result<std::vector<catalog::AccessKey>> ListKeys() override { return catalog_.ListKeys(); }
  Status DropKey(const std::string& key_id, const catalog::Actor& who) override {
    return catalog_.DropKey(key_id, who);
  }
  Result<std::optional<std::string>> GetSetting(const std::string& key) override {
    return catalog_.GetSetting(key);
  }
  Status SetSetting(const std::string& key, const std::string& value,
                    const catalog::Actor& who) override {
    return catalog_.SetSetting(key, value, who);
  }
  Status Audit(const catalog::AuditRow& row) override { return catalog_.Audit(row); }
  Result<std::vector<catalog::AuditRow>> ListAudit(const catalog::AuditFilter& filter) override {
    return catalog_.ListAudit(filter);
  }
  Result<catalog::CatalogSummary> Summary() override { return catalog_.Summary(); }
  Result<int64_t> Trim(const catalog::TrimPolicy& policy) override { return catalog_.Trim(policy); }

 private:
  void Count(int* commits) {
    os::MutexLock lock(mutex_);
    ++*commits;
    changed_.NotifyAll();
  }
  void Await(const int* commits) {
    os::MutexLock lock(mutex_);
    while (*commits == 0) ASSERT_TRUE(changed_.WaitFor(mutex_, 60 * kMicrosPerSecond));
  }

  catalog::Catalog& catalog_;
  os::Mutex mutex_;
  os::ConditionVariable changed_;
  int answered_ = 0;  // commits
  int unanswered_ = 0;
  std::atomic<int> busy_answers_ = 0;
};

}  // namespace tarn::lake
