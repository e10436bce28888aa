import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Limits of twins (contract §7.5)")
struct TwinLimitTests {
  private let key = IdentityKey(deviceID: "d")

  @Test("what breaks a rule is refused with path and rule, and changes nothing")
  func refusals() throws {
    let deep = String(repeating: #"{"a":"#, count: 12) + "1" + String(repeating: "}", count: 12)
    let longKey = String(repeating: "k", count: 1025)
    let longString = String(repeating: "s", count: 4097)
    for (patch, path) in [
      (#"{"a.b":1}"#, "properties.reported.a.b:"),
      (#"{"a":{"$b":1}}"#, "properties.reported.a.$b:"),
      (#"{"a#":1}"#, "properties.reported.a#:"),
      (#"{"a b":1}"#, "properties.reported.a b:"),
      (#"{"a\u0001":1}"#, "properties.reported.a\u{1}:"),
      ("{\"\(longKey)\":1}", "properties.reported:"),
      ("{\"a\":[\"\(longString)\"]}", "properties.reported.a[0]:"),
      (#"{"a":{"b":[1,[null]]}}"#, "properties.reported.a.b[1][0]:"),
      (#"{"a":4503599627370496}"#, "properties.reported.a:"),
      (#"{"a":-4503599627370497}"#, "properties.reported.a:"),
      (#"{"a":123456789012345678901234567890}"#, "properties.reported.a:"),
      (#"{"a":1e999}"#, "properties.reported.a:"),
      (deep, "properties.reported.a.a.a.a.a.a.a.a.a.a.a:"),
    ] {
      var hub = TestHub()
      _ = try hub.device("d")
      let before = hub.engine.storage.tables
      let value = try json(patch)
      let refusal = #expect(throws: HubError.self) {
        _ = try hub.engine.patchReported(key, value, now: hub.now)
      }
      #expect(refusal?.code == .argumentInvalid)
      #expect(refusal?.message.hasPrefix(path) == true, "\(refusal?.message ?? "") for \(path)")
      #expect(hub.engine.storage.tables == before)
    }
  }

  @Test("what just keeps the rules is taken")
  func accepted() throws {
    let deep = String(repeating: #"{"a":"#, count: 11) + "1" + String(repeating: "}", count: 11)
    let longKey = String(repeating: "k", count: 1024)
    let longString = String(repeating: "s", count: 4096)
    for patch in [
      deep, "{\"\(longKey)\":1}", "{\"a\":\"\(longString)\"}",
      #"{"a":4503599627370495,"b":-4503599627370496,"c":1.5e300}"#, #"{"ä-b_c":null}"#,
      #"{"a":[{"b":null}]}"#,
    ] {
      var hub = TestHub()
      _ = try hub.device("d")
      #expect(try hub.engine.patchReported(key, json(patch), now: hub.now) == 2)
    }
  }

  @Test("each section has its size limit, counted after the merge")
  func sizes() throws {
    var quotas = Quotas()
    quotas.twinTagsBytes = 10
    quotas.twinDesiredBytes = 20
    quotas.twinReportedBytes = 30
    // A key of two bytes and a number of eight.
    for (section, limit) in [("tags", 10), ("desired", 20), ("reported", 30)] {
      var hub = TestHub(quotas: quotas)
      _ = try hub.device("d")
      for index in 0..<4 {
        let member = try json("{\"k\(index)\":1}").objectValue ?? [:]
        let answer = code { () throws(HubError) in
          switch section {
          case "reported":
            _ = try hub.engine.patchReported(key, .object(member), now: .epoch)
          default:
            _ = try hub.engine.updateTwin(
              key,
              section == "tags"
                ? TwinUpdate(tags: .set(member)) : TwinUpdate(desired: .set(member)),
              replacing: false,
              ifMatch: .absent,
              now: .epoch
            )
          }
        }
        let fits = (index + 1) * 10 <= limit
        #expect(answer == (fits ? nil : .argumentInvalid), "\(section) \(index)")
      }
    }
  }
}
