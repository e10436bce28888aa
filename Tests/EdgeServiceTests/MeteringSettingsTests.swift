import EdgeEngine
import EdgeService
import Platform
import Testing

@Suite("Settings of budget and collector")
struct MeteringSettingsTests {
  private func fault(_ text: String) -> SettingsFault? {
    do throws(SettingsFault) {
      _ = try EdgeSettingsTests.read(text)
      return nil
    } catch {
      return error
    }
  }

  @Test("a budget upstream is read with its shares")
  func budget() throws {
    #expect(try EdgeSettingsTests.read(EdgeSettingsTests.manual).upstream.budget == nil)
    let budget = try #require(
      try EdgeSettingsTests.read(
        EdgeSettingsTests.manual + """
          [upstream.budget]
          bytes_per_day = 50000000
          burst_bytes = 1000000
          shares = [{ priority = 0, percent = 60 }, { priority = 4, percent = 30 }, { percent = 10 }]
          """
      ).upstream.budget
    )
    #expect(budget.bytesPerDay == 50_000_000)
    #expect(budget.burstBytes == 1_000_000)
    #expect(budget.shares.map(\.lastPriority) == [0, 4, .max])
    #expect(budget.shares.map(\.percent) == [60, 30, 10])
    let plain = try EdgeSettingsTests.read(
      EdgeSettingsTests.manual + "[upstream.budget]\nbytes_per_day = 1\n"
    )
    #expect(plain.upstream.budget?.shares.map(\.percent) == [100])
  }

  @Test(
    "a budget that is none is refused",
    arguments: [
      ("", "bytes_per_day is missing"),
      ("bytes_per_day = 0", "bytes_per_day"),
      ("bytes_per_day = 1\nshares = []", "an array of 1 to 11"),
      ("bytes_per_day = 1\nshares = [1]", "an array of tables"),
      ("bytes_per_day = 1\nshares = [{ percent = 90 }]", "add up to 90"),
      ("bytes_per_day = 1\nshares = [{ percent = 50 }, { percent = 50 }]", "priority is missing"),
      ("bytes_per_day = 1\nshares = [{ priority = 0, percent = 100 }]", "all the rest"),
      (
        "bytes_per_day = 1\nshares = [{ priority = 3, percent = 1 }, { priority = 2, percent = 1 }, "
          + "{ percent = 98 }]", "from the most important"
      ),
      ("bytes_per_day = 1\nper_week = 2", "unknown setting upstream.budget.per_week"),
    ]
  )
  func badBudget(text: String, problem: String) {
    let fault = fault(EdgeSettingsTests.manual + "[upstream.budget]\n" + text)
    #expect(fault?.problem.contains(problem) == true, "\(String(describing: fault))")
  }

  @Test("a collector reads the pages of the processes, or those that are named")
  func collector() throws {
    #expect(try EdgeSettingsTests.read(EdgeSettingsTests.manual).metrics.collection == nil)
    let own = try EdgeSettingsTests.read(
      EdgeSettingsTests.manual + "[metrics]\nagent_port = 0\n[metrics.collector]\n"
    )
    #expect(own.metrics.collection?.intervalSeconds == 300)
    #expect(
      own.metrics.collection?.endpoints.sorted()
        == ["http://127.0.0.1:9600/metrics", "http://127.0.0.1:9602/metrics"]
    )
    let named = try EdgeSettingsTests.read(
      EdgeSettingsTests.manual
        + "[metrics.collector]\ninterval = \"10s\"\nendpoints = [\"http://m:1/metrics\"]\n"
    )
    #expect(named.metrics.collection?.intervalSeconds == 10)
    #expect(named.metrics.collection?.endpoints == ["http://m:1/metrics"])
    let wrong = fault(EdgeSettingsTests.manual + "[metrics.collector]\nendpoints = [\"ftp://m\"]\n")
    #expect(wrong?.problem.contains("metrics.collector.endpoints") == true)
  }
}
