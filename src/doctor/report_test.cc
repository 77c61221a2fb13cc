#include "doctor/report.h"

#include <gtest/gtest.h>

#include <vector>

namespace vpn::doctor {
namespace {

const std::vector<Finding> kFindings = {
    {"forwarding", State::kOk, "on"},
    {"gateway", State::kNote, "serves not"},
    {"mtu", State::kWarning, "too large", setting("WG_MTU=1340")},
    {"tun", State::kBroken, "missing", command("mknod /dev/net/tun c 10 200", "`--device /dev/net/tun`")},
    {"server_ip", State::kBroken, "a \"name\"\x1b[2J", advice("give it an address")},
};

TEST(DoctorReport, IsALineAFindingWithTheCureBeneath) {
  EXPECT_EQ(to_text(kFindings),
            "ok       forwarding       on\n"
            "note     gateway          serves not\n"
            "warning  mtu              too large\n"
            "                          cure: WG_MTU=1340\n"
            "broken   tun              missing\n"
            "                          cure: mknod /dev/net/tun c 10 200\n"
            "                          in a container: `--device /dev/net/tun`\n"
            "broken   server_ip        a \"name\"?[2J\n"
            "                          cure: give it an address\n"
            "2 broken, 1 warning\n");
}

// What docs/doctor.md promises to programs.
TEST(DoctorReport, HasAStableFormInJson) {
  EXPECT_EQ(
      to_json(kFindings),
      R"({"broken":2,"warnings":1,"findings":[)"
      R"({"check":"forwarding","state":"ok","message":"on"},)"
      R"({"check":"gateway","state":"note","message":"serves not"},)"
      R"({"check":"mtu","state":"warning","message":"too large","cure":{"setting":"WG_MTU=1340"}},)"
      R"({"check":"tun","state":"broken","message":"missing","cure":{"command":"mknod /dev/net/tun c 10 200",)"
      R"("container":"`--device /dev/net/tun`"}},)"
      R"({"check":"server_ip","state":"broken","message":"a \"name\"?[2J","cure":{"advice":"give it an address"}}]})"
      "\n");
}

TEST(DoctorReport, FailsWhenSomethingIsBrokenAndNotForAWarning) {
  EXPECT_EQ(exit_code_of(kFindings), 1);
  EXPECT_EQ(exit_code_of(std::span(kFindings).first(3)), 0);
  EXPECT_EQ(to_text(std::span(kFindings).first(1)), "ok       forwarding       on\nnothing is wrong\n");
}

}  // namespace
}  // namespace vpn::doctor
