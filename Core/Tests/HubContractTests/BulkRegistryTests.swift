import HubContract
import JSONTree
import Testing

@Suite("Bulk calls and export files (contract §7.4)")
struct BulkRegistryTests {
  private static func parse(
    _ text: String,
    limit: Int = 100
  ) throws
    -> [Result<ExportImportDevice, BulkFailure>]
  {
    try BulkRegistry.parse(try JSON.parse(text), limit: limit)
  }

  private static func code(_ text: String, limit: Int = 100) throws -> HubErrorCode? {
    let json = try JSON.parse(text)
    do throws(HubError) {
      _ = try BulkRegistry.parse(json, limit: limit)
      return nil
    } catch { return error.code }
  }

  @Test("a faulty element fails alone")
  func partial() throws {
    let results = try Self.parse(
      #"[{"id":"a","importMode":"create","status":"enabled"},{"id":"b","importMode":"upsert"},{"id":"c d","moduleId":"m","importMode":"delete"},{},7,{"id":5}]"#
    )
    #expect(results.count == 6)
    let first = try results[0].get()
    #expect(first.deviceID == "a" && first.importMode == .create && first.status == .enabled)
    let failures = results.dropFirst().compactMap { result -> BulkFailure? in
      if case .failure(let failure) = result { failure } else { nil }
    }
    #expect(failures.map(\.deviceID) == ["b", "c d", "", "", ""])
    #expect(failures.map(\.operation) == [nil, .delete, nil, nil, nil])
    #expect(
      failures.map(\.error.code) == [
        .argumentInvalid, .argumentInvalid, .argumentNull, .deserializationError,
        .deserializationError,
      ]
    )
    #expect(failures[1].moduleID == "m")
  }

  @Test("no array, too many elements and a duplicate refuse the whole call")
  func whole() throws {
    #expect(try Self.code("{}") == .deserializationError)
    #expect(try Self.code(#"[{"id":"a"},{"id":"b"}]"#, limit: 1) == .tooManyDevices)
    #expect(try Self.code(#"[{"id":"a"},{"id":"a"}]"#) == .deviceDefinedMultipleTimes)
    #expect(
      try Self.code(#"[{"id":"a","moduleId":"m"},{"id":"a","moduleId":"m"}]"#)
        == .deviceDefinedMultipleTimes
    )
    #expect(try Self.code(#"[{"id":"a"},{"id":"a","moduleId":"m"},{"id":"A"}]"#) == nil)
    #expect(try Self.code("[]") == nil)
  }

  @Test("the answer is 200 or 400, with names as error codes")
  func answer() {
    let good = BulkRegistry.answer([])
    #expect(good.status == 200)
    #expect(JSON.text(good.body) == #"{"isSuccessful":true,"errors":[],"warnings":[]}"#)
    let bad = BulkRegistry.answer([
      BulkFailure(
        deviceID: "a",
        operation: .create,
        error: HubError(.deviceAlreadyExists, "There is one.")
      )
    ])
    #expect(bad.status == 400)
    #expect(
      JSON.text(bad.body)
        == #"{"isSuccessful":false,"errors":[{"deviceId":"a","moduleId":null,"#
        + #""errorCode":"DeviceAlreadyExists","errorStatus":"There is one.","operation":"create"}],"#
        + #""warnings":[]}"#
    )
  }

  @Test("a line of an export file is read back as it was")
  func lines() throws {
    let text =
      #"{"id":"d","eTag":"MQ==","importMode":"updateTwinIfMatchETag","status":"disabled","#
      + #""statusReason":"r","authentication":{"symmetricKey":{"primaryKey":null,"#
      + #""secondaryKey":null},"x509Thumbprint":{"primaryThumbprint":null,"#
      + #""secondaryThumbprint":null},"type":"certificateAuthority"},"twinETag":"AAAAAAAAAAE=","#
      + #""tags":{"a":1.0},"properties":{"desired":{"b":null},"reported":{}},"#
      + #""capabilities":{"iotEdge":true},"deviceScope":"s","parentScopes":["p"]}"#
    let line = try ExportImportDevice(json: try JSON.parse(text))
    #expect(JSON.text(line.json(includingKeys: true)) == text)
    #expect(line.moduleRequest == nil && line.key == IdentityKey(deviceID: "d"))
    let module = ExportImportDevice(deviceID: "d", moduleID: "m", importMode: .delete)
    #expect(
      JSON.text(module.json(includingKeys: true))
        == #"{"id":"d","moduleId":"m","importMode":"delete"}"#
    )
  }

  @Test("keys stay out of an export on demand")
  func keys() throws {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    let json = try JSON.parse(
      #"{"id":"d","authentication":{"symmetricKey":{"primaryKey":"\#(key)","secondaryKey":"\#(key)"}}}"#
    )
    let line = try ExportImportDevice(json: json)
    #expect(JSON.text(line.json(includingKeys: true)).contains(key))
    #expect(!JSON.text(line.json(includingKeys: false)).contains(key))
  }
}
