import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine
import Testing

@Suite("Enrollments (contract §6.6)")
struct EnrollmentTests {
  private let keyed = #"{"attestation":{"type":"symmetricKey"}}"#

  @Test("without a condition it creates, with one it replaces")
  func conditions() throws {
    var service = TestService()
    let made = try service.put(.individual("r"), keyed)
    let etag = ETags.identity(made.etagCounter)
    #expect(code { try service.put(.individual("r"), keyed) } == 409_201)
    #expect(code { try service.put(.individual("x"), keyed, ifMatch: "*") } == 404_201)
    #expect(code { try service.put(.group("x"), keyed, ifMatch: "*") } == 404_204)
    try service.put(.group("r"), keyed)
    #expect(code { try service.put(.group("r"), keyed) } == 409_202)
    service.now = service.now.adding(seconds: 1)
    let next = try service.put(.individual("r"), keyed, ifMatch: "\"\(etag)\"")
    #expect(next.attestation == made.attestation)
    #expect(next.createdTime == made.createdTime && next.updatedTime > made.updatedTime)
    #expect(code { try service.put(.individual("r"), keyed, ifMatch: etag) } == 412_000)
    #expect(
      code {
        try service.engine.deleteEnrollment(.individual("r"), ifMatch: .exactly(etag))
      } == 412_000
    )
    try service.engine.deleteEnrollment(.individual("r"), ifMatch: .absent)
    #expect(
      code { try service.engine.deleteEnrollment(.individual("r"), ifMatch: .any) } == 404_201
    )
  }

  @Test("limits, and hubs that are not linked")
  func limits() throws {
    var rules = ProvisioningRules(scope: "0ne", hubs: TestService.hubs)
    rules.enrollmentLimit = 1
    rules.groupLimit = 1
    var service = TestService(rules)
    try service.put(.individual("r"), keyed)
    try service.put(.group("g"), keyed)
    #expect(code { try service.put(.individual("s"), keyed) } == 400_205)
    #expect(code { try service.put(.group("h"), keyed) } == 400_205)
    rules.groupLimit = 3
    rules.symmetricKeyGroupLimit = 1
    service = TestService(rules)
    let signed =
      #"{"attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"R"}}}}}"#
    try service.put(.group("g"), keyed)
    try service.put(.group("i"), signed)
    #expect(code { try service.put(.group("h"), keyed) } == 400_205)
    #expect(code { try service.put(.group("i"), keyed, ifMatch: "*") } == 400_205)
    try service.put(.group("g"), keyed, ifMatch: "*")
    try service.put(.group("g"), signed, ifMatch: "*")
    try service.put(.group("i"), keyed, ifMatch: "*")
    let elsewhere = #"{"attestation":{"type":"symmetricKey"},"iotHubs":["elsewhere"]}"#
    #expect(code { try service.put(.group("g"), elsewhere, ifMatch: "*") } == 400_004)
    let issuer =
      #"{"attestation":{"type":"symmetricKey"},"clientCertificateIssuancePolicy":{"certificateAuthorityName":"ca"}}"#
    #expect(code { try service.put(.group("g"), issuer, ifMatch: "*") } == 400_004)
  }

  @Test("a bulk call's elements stand for themselves")
  func bulk() throws {
    var service = TestService()
    try service.put(.individual("b"), keyed)
    func call(_ text: String) throws -> JSONValue {
      try service.engine.bulk(.individual, body: try JSON.parse(text), now: service.now)
    }
    let element = #""attestation":{"type":"symmetricKey"}"#
    let answer = try call(
      #"{"mode":"create","enrollments":[{"registrationId":"a",\#(element)},{"registrationId":"b",\#(element)}]}"#
    )
    #expect(answer["isSuccessful"] == false)
    #expect(answer["errors"]?.arrayValue?.count == 1)
    #expect(answer["errors"]?.arrayValue?.first?["errorCode"] == 409_201)
    _ = try service.engine.view.enrollment(.individual("a"))
    #expect(
      try call(#"{"mode":"delete","enrollments":[{"registrationId":"A"}]}"#)["isSuccessful"]
        == true
    )
    func update(_ id: String, _ etag: String) throws -> JSONValue? {
      let body =
        #"{"mode":"updateIfMatchETag","enrollments":[{"registrationId":"\#(id)"\#(etag),\#(element)}]}"#
      return try call(body)["errors"]?.arrayValue?.first?["errorCode"]
    }
    for etag in [#","etag":"x""#, #","etag":"""#, ""] {
      #expect(try update("b", etag) == 412_000, "\(etag)")
      #expect(try update("new", etag) == 404_201, "\(etag)")
    }
    let current = try ETags.identity(service.engine.view.enrollment(.individual("b")).etagCounter)
    #expect(try update("b", #","etag":"\#(current)""#) == nil)
    let many = (0..<11).map { #"{"registrationId":"x\#($0)"}"# }.joined(separator: ",")
    let rows: [(String, Int)] = [
      (#"{"mode":"create"}"#, 400_005), (#"{"mode":"burn","enrollments":[]}"#, 400_004),
      (#"{"mode":"delete","enrollments":[\#(many)]}"#, 400_205),
      (
        #"{"mode":"delete","enrollments":[{"registrationId":"b"},{"registrationId":"B"}]}"#,
        400_206
      ),
      (#"{"mode":"delete","enrollments":[{"registrationId":"?"}]}"#, 400_202),
    ]
    for (body, expected) in rows { #expect(code { _ = try call(body) } == expected, "\(body)") }
  }

  @Test("a query answers everything, page by page")
  func query() throws {
    var service = TestService()
    for id in ["c", "a", "b"] { try service.put(.individual(id), keyed) }
    try service.put(.group("g"), keyed)
    let view = service.engine.view
    let first = try view.enrollments(
      .individual,
      query: "select *  FROM Enrollments",
      pageSize: 2,
      continuation: nil
    )
    #expect(first.rows.compactMap { $0["registrationId"]?.stringValue } == ["a", "b"])
    let second = try view.enrollments(
      .individual,
      query: "SELECT * FROM enrollments",
      pageSize: 2,
      continuation: first.continuation
    )
    #expect(second.rows.compactMap { $0["registrationId"]?.stringValue } == ["c"])
    #expect(second.continuation == nil)
    let key =
      #"{"attestation":{"type":"symmetricKey"},"initialTwin":{"tags":{"t":"\#(String(repeating: "x", count: 4000))"}}}"#
    for id in 0..<70 { try service.put(.individual("big\(id)"), key) }
    var rules = ProvisioningRules(scope: "0ne", hubs: TestService.hubs)
    rules.pageBytes = 20_000
    let small = ProvisioningView(storage: service.engine.storage, rules: rules)
    var (seen, continuation): ([String], String?) = ([], nil)
    repeat {
      let page = try small.enrollments(
        .individual,
        query: "SELECT * FROM enrollments",
        pageSize: 1000,
        continuation: continuation
      )
      #expect((1...8).contains(page.rows.count))
      seen += page.rows.compactMap { $0["registrationId"]?.stringValue }
      continuation = page.continuation
    } while continuation != nil
    #expect(seen.count == 73 && Set(seen).count == 73)
    for query in ["", "SELECT * FROM enrollmentGroups", "SELECT * FROM enrollments WHERE 1"] {
      #expect(
        code {
          _ = try view.enrollments(.individual, query: query, pageSize: 2, continuation: nil)
        } == 400_004
      )
    }
  }

  @Test("an initial twin that no hub takes is refused when it is saved, with the place")
  func initialTwin() throws {
    var service = TestService()
    func put(_ twin: String) throws {
      try service.put(
        .individual("r"),
        #"{"attestation":{"type":"symmetricKey"},"initialTwin":\#(twin)}"#
      )
    }
    let long = String(repeating: "x", count: 4097)
    let many = (0..<3).map { #""\#($0)":"\#(long.dropLast())""# }.joined(separator: ",")
    let rows = [
      (#"{"tags":{"a":{"b.c":1}}}"#, "initialTwin.tags.a.b.c: a key must not"),
      (#"{"properties":{"desired":{"a":[1,null]}}}"#, "initialTwin.properties.desired.a[1]: null"),
      (#"{"tags":{"a":"\#(long)"}}"#, "initialTwin.tags.a: a string is longer"),
      (#"{"tags":{\#(many)}}"#, "initialTwin.tags would be"),
    ]
    for (twin, message) in rows {
      let error = #expect(throws: HubError.self) { try put(twin) }
      #expect(error?.code == .argumentInvalid)
      #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
    }
    // What was read from a hub can be sent back.
    try put(#"{"tags":{"a":1},"properties":{"desired":{"b":2,"$version":4,"$metadata":{"b":{}}}}}"#)
    let twin = try service.engine.view.enrollment(.individual("r")).initialTwin
    #expect(twin == InitialTwin(tags: ["a": 1], desired: ["b": 2]))
  }
}
