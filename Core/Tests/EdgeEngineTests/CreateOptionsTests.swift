import EdgeEngine
import JSONTree
import Testing

@Suite("Create options in pieces (edge contract 2.4)")
struct CreateOptionsTests {
  private func read(_ settings: JSONObject) throws -> CreateOptions {
    var all = settings
    all["image"] = "plain"
    let desired = AgentConfigurationTests.changed(["modules", "plain", "settings"], .object(all))
    return try AgentConfiguration(desired: desired).modules[1].createOptions
  }

  @Test("pieces are joined until a gap, blank text means none")
  func reading() throws {
    #expect(try read([:]).object.isEmpty)
    #expect(try read(["createOptions": nil]).object.isEmpty)
    #expect(try read(["createOptions": " "]).object.isEmpty)
    #expect(try read(["createOptions01": #"{"a":1}"#]).object.isEmpty)
    #expect(
      try read(["createOptions": #"{"a":1}"#, "createOptions02": "x"]).object == ["a": 1]
    )
    let text =
      #"{"HostConfig":{"Binds":["/a:/b"],"Unheard":[{"of":null}]},"Healthcheck":{"Interval":"#
      + "9223372036854775807},\"Big\":123456789012345678901234567890,\"Real\":1.50}"
    var settings: JSONObject = [:]
    for (number, scalar) in text.unicodeScalars.enumerated().prefix(99) {
      settings[number == 0 ? "createOptions" : "createOptions\(number / 10)\(number % 10)"] =
        .string(String(scalar))
    }
    settings["createOptions99"] = .string(String(text.unicodeScalars.dropFirst(99)))
    let options = try read(settings)
    // As it was written: numbers beyond 64 bits and spellings too.
    #expect(JSON.text(.object(options.object)) == text)
  }

  @Test("what is reported can be read again, in pieces of 512 characters")
  func writing() throws {
    #expect(CreateOptions().members == ["createOptions": "{}"])
    for count in [1, 503, 504, 505, 1016, 5000, 60_000] {
      let options = CreateOptions(["k": .string(String(repeating: "é", count: count))])
      let members = options.members
      #expect(members.count == min((count + 8 + 511) / 512, 100))
      #expect(members.keys.first == "createOptions")
      #expect(try read(members) == options)
    }
  }
}
