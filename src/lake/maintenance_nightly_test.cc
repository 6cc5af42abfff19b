#include "lake/test_many_commits.h"

namespace tarn::lake {
namespace {

TEST(Maintainer, NothingGrowsInThreeThousandCommits) {
  TestTable table("commits_3000");
  LandManyCommits(table, 3'000);
}

}  // namespace
}  // namespace tarn::lake
