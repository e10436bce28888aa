import HubContract
import JSONTree
import Testing

@Suite("REST parameters (contract §7.1, §7.3, §7.7)")
struct RESTRequestTests {
  @Test("known api-versions pass, missing and unknown ones are 400001")
  func versions() {
    for version in [
      "2021-04-12", "2018-06-30", "2020-05-31-preview", "2018-08-30-preview", "2017-11-08-preview",
    ] {
      #expect(throws: Never.self) { try APIVersion.check(version) }
    }
    for version in [nil, "", "2021-04-13", "2021-04-12 ", "latest"] {
      do throws(HubError) {
        try APIVersion.check(version)
        Issue.record("accepted \(version ?? "nil")")
      } catch {
        #expect(error.code == .invalidProtocolVersion)
      }
    }
  }

  private static func query(
    _ text: String,
    _ header: String? = nil
  ) throws -> Result<QueryRequest, HubError> {
    let json = try JSON.parse(text)
    do throws(HubError) {
      return .success(try QueryRequest(json: json, maxItemCount: header))
    } catch { return .failure(error) }
  }

  @Test("a query has a text of at most 8192 characters")
  func queries() throws {
    #expect(try Self.query(#"{"query":"SELECT *"}"#).get().query == "SELECT *")
    let longest = String(repeating: "ü", count: 8192)
    #expect(try Self.query(#"{"query":"\#(longest)"}"#).get().query == longest)
    for (text, code) in [
      (#"{"query":"\#(longest)x"}"#, .argumentInvalid), ("{}", .argumentNull),
      (#"{"query":1}"#, .deserializationError), ("[]", .deserializationError),
    ] as [(String, HubErrorCode)] {
      #expect(throws: HubError.self) { try Self.query(text).get() }
      if case .failure(let error) = try Self.query(text) { #expect(error.code == code) }
    }
  }

  @Test("pages have 1 to 1000 rows, 100 unless asked")
  func pages() throws {
    for (header, size) in [(nil, 100), ("", 100), ("1", 1), ("1000", 1000), ("5000", 1000)]
      as [(String?, Int)]
    {
      #expect(try QueryRequest.pageSize(header) == size)
    }
    for header in ["0", "-1", "x", "1.5", "99999999999999999999", " 1"] {
      #expect(throws: HubError.self) { try QueryRequest.pageSize(header) }
    }
  }

  @Test("a list's top is 1 to 1000, anything else means 1000")
  func top() {
    for (text, size) in [
      (nil, 1000), ("1", 1), ("999", 999), ("1000", 1000), ("0", 1000), ("1001", 1000),
      ("-5", 1000), ("x", 1000),
    ] as [(String?, Int)] {
      #expect(QueryRequest.listSize(top: text) == size)
    }
  }
}
