// The SQLite store on a real full disk and on a real read-only one: a small tmpfs in a mount namespace of the test's
// own.
//
//   child process, own mount namespace:   <temporary directory> = tmpfs of 512 KiB
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/unique_fd.h"
#include "control/store/sqlite/sqlite_store.h"
#include "control/store/sqlite/test_support.h"
#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

void mount_small_disk(const std::filesystem::path& where) {
  ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "this test needs root";
  ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", where.c_str(), "tmpfs", 0, "size=512k,mode=0700"), 0);
}

/// Takes every free byte.
void fill_disk(const std::string& file) {
  const UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd);
  const std::string block(4096, 'x');
  while (write(fd.get(), block.data(), block.size()) > 0) {
  }
  ASSERT_EQ(errno, ENOSPC);
}

Status insert(Store& store, int number) {
  return store.commit(std::vector<Mutation>{InsertClient{contract::client(number)}})[0];
}

TEST(SqliteStoreDisk, RefusesWhileTheDiskIsFullAndGoesOnWhenItHasRoom) {
  const StoreDirectory directory;
  expect_success(start_child([&] {
    ASSERT_NO_FATAL_FAILURE(mount_small_disk(directory.path()));
    auto store = open_store(directory.file());
    ASSERT_TRUE(insert(*store, 1));

    fill_disk(directory.file("ballast"));
    int number = 2;
    Status status;
    while (number < 200 && (status = insert(*store, number))) ++number;  // the log may have a little room left
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(status.error().message, HasSubstr(directory.file()));
    status = store->probe();
    ASSERT_FALSE(status) << "it writes less than an insertion, and may fit where none does";
    EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(status.error().message, AllOf(HasSubstr(directory.file()), HasSubstr("No space left on device")));
    EXPECT_EQ(store->load()->clients.size(), number - 1u) << "what is durable is still read";

    std::filesystem::remove(directory.file("ballast"));
    EXPECT_TRUE(store->probe());
    EXPECT_TRUE(insert(*store, number));
    store.reset();
    EXPECT_EQ(open_store(directory.file())->load()->clients.size(), number);
  }));
}

TEST(SqliteStoreDisk, RefusesToStartOnAFullDisk) {
  const StoreDirectory directory;
  expect_success(start_child([&] {
    ASSERT_NO_FATAL_FAILURE(mount_small_disk(directory.path()));
    fill_disk(directory.file("ballast"));
    EXPECT_THAT(open_outcome(directory.file()), HasSubstr(directory.file()));
    std::filesystem::remove(directory.file("ballast"));
    EXPECT_EQ(open_outcome(directory.file()), "opened");
  }));
}

TEST(SqliteStoreDisk, RefusesAReadOnlyDisk) {
  const StoreDirectory directory;
  expect_success(start_child([&] {
    ASSERT_NO_FATAL_FAILURE(mount_small_disk(directory.path()));
    (void)open_store(directory.file());
    ASSERT_EQ(mount("none", directory.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    for (const std::string& path : {directory.file(), directory.file("new.db")}) {
      EXPECT_THAT(open_outcome(path), AllOf(HasSubstr(directory.path().string()), HasSubstr("Read-only file system"),
                                            HasSubstr("STATE_DIR")));
    }
  }));
}

}  // namespace
}  // namespace vpn::control
