#include "quick/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "base/test_directory.h"

namespace vpn::quick {
namespace {

using testing::HasSubstr;

Record example() {
  return {.interface_name = "office",
          .in_kernel = true,
          .interface_index = 7,
          .rules = {{.family = IpFamily::kV4, .priority = 32765, .table = 51820, .unless_mark = 51820},
                    {.family = IpFamily::kV6, .priority = 32764, .table = 254, .without_default = true}},
          .has_table = true,
          .config_file = "/srv/a file/office.conf"};
}

TEST(Record, IsReadAsItWasWritten) {
  for (const Record& record : {example(), Record{.interface_name = "wg0", .config_file = "/etc/wireguard/wg0.conf"}}) {
    const auto read = parse_record(to_text(record));
    ASSERT_TRUE(read) << to_text(record);
    EXPECT_EQ(*read, record);
  }
}

TEST(Record, IsNothingElse) {
  for (const char* text :
       {"", "vpn-enabler up 1\n", "vpn-enabler up 2\ninterface wg0\n", "vpn-enabler up 1\ninterface ../x\n",
        "vpn-enabler up 1\ninterface wg0\nrule 5 1 1 1 1\n", "vpn-enabler up 1\ninterface wg0\nindex x\n",
        "vpn-enabler up 1\ninterface wg0\nother 1\n"}) {
    const auto record = parse_record(text);
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().code, ErrorCode::kCorrupt);
  }
}

TEST(Record, SurvivesNoise) {
  const std::string whole = to_text(example());
  for (std::size_t size = 0; size <= whole.size(); ++size) (void)parse_record(whole.substr(0, size));
  std::minstd_rand random(1);
  for (int round = 0; round < 5'000; ++round) {
    std::string text = whole;
    text[random() % text.size()] = static_cast<char>(random());
    (void)parse_record(text);
  }
}

class RecordsTest : public testing::Test {
 protected:
  Records open() {
    auto records = Records::open(path());
    EXPECT_TRUE(records) << records.error().message;
    return *std::move(records);
  }
  std::filesystem::path path() const { return directory_.path() / "vpn-enabler" / "up"; }

  TestDirectory directory_;
};

TEST_F(RecordsTest, KeepsThemUntilTheyAreRemoved) {
  const Records records = open();
  EXPECT_EQ(*records.load("office"), std::nullopt);
  ASSERT_TRUE(records.store(example()));
  EXPECT_EQ(*records.load("office"), example());
  EXPECT_EQ(*records.load("other"), std::nullopt);
  ASSERT_TRUE(records.remove("office"));
  EXPECT_EQ(*records.load("office"), std::nullopt);
  EXPECT_TRUE(records.remove("office"));
}

TEST_F(RecordsTest, AreForRootAlone) {
  const Records records = open();
  struct stat status{};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(RecordsTest, NamesAFileThatIsNoRecord) {
  const Records records = open();
  ASSERT_TRUE(records.store(example()));
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().filename().native().starts_with("office@")) std::ofstream(entry.path()) << "nonsense";
  }
  const auto record = records.load("office");
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(record.error().message, HasSubstr("/office@"));
}

// A second process waits until the first is done; one that is a child of the first, as an engine is, keeps nobody
// waiting.
TEST_F(RecordsTest, TakeTurns) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t child = 0;
  {
    const Records records = open();
    child = ::fork();
    if (child == 0) {
      const auto second = Records::open(path());
      ::_exit(second && ::write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    ASSERT_EQ(::write(ends[1], "1", 1), 1);
  }
  char order[2] = {};
  ASSERT_EQ(::read(ends[0], &order[0], 1), 1);
  ASSERT_EQ(::read(ends[0], &order[1], 1), 1);
  EXPECT_EQ(order[0], '1');
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vpn::quick
