import HubContract
import JSONTree
import Testing

private let key1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
private let key2 = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
private let print40 = "0123456789ABCDEF0123456789abcdef01234567"

/// The refusal of a body, nil if it is accepted.
private func refusal(_ text: String, id: String = "d1") -> HubError? {
  do throws(HubError) {
    let json = try RequestBody.parse([UInt8](text.utf8))
    _ = try DeviceIdentityRequest(json: json, pathDeviceID: id)
    return nil
  } catch { return error }
}

private func accepted(_ text: String, id: String = "d1") throws -> DeviceIdentityRequest {
  try DeviceIdentityRequest(json: try JSON.parse(text), pathDeviceID: id)
}

@Suite("Identity bodies (contract §7.3)")
struct IdentityBodyTests {
  @Test("the smallest body asks for generated keys, and null is as good as absent")
  func minimal() throws {
    let minimal = DeviceIdentityRequest(deviceID: "d1")
    for text in [
      #"{"deviceId":"d1"}"#,
      #"{"deviceId":"d1","status":null,"statusReason":null,"authentication":null,"capabilities":null,"deviceScope":null,"parentScopes":null,"etag":null}"#,
      #"{"deviceId":"d1","authentication":{}}"#,
      #"{"deviceId":"d1","authentication":{"type":"sas"}}"#,
      #"{"deviceId":"d1","authentication":{"type":"sas","symmetricKey":{}}}"#,
      #"{"deviceId":"d1","authentication":{"type":"sas","symmetricKey":{"primaryKey":null,"secondaryKey":""},"x509Thumbprint":{"primaryThumbprint":null}}}"#,
      #"{"deviceId":"d1","generationId":1,"connectionState":[],"unknown":{}}"#,
      #"{"deviceId":"d1","capabilities":{"iotEdge":false},"parentScopes":[]}"#,
    ] {
      #expect(try accepted(text) == minimal, "\(text)")
    }
  }

  @Test("what is given is read")
  func full() throws {
    let request = try accepted(
      """
      {"deviceId":"a#?","status":"disabled","statusReason":"r","etag":"MQ==","deviceScope":"s",
       "parentScopes":["p"],"capabilities":{"iotEdge":true},
       "authentication":{"symmetricKey":{"primaryKey":"\(key1)","secondaryKey":"\(key2)"}}}
      """,
      id: "a#?"
    )
    #expect(request.status == .disabled && request.statusReason == "r" && request.isEdge)
    #expect(request.etag == "MQ==" && request.deviceScope == "s" && request.parentScopes == ["p"])
    guard case .given(.sas(let primary, let secondary)) = request.authentication else {
      Issue.record("not sas")
      return
    }
    #expect(primary.base64 == key1 && secondary.base64 == key2)
  }

  @Test("every type of authentication is read, thumbprints kept as given")
  func types() throws {
    func read(_ authentication: String) throws -> RequestedAuthentication {
      try accepted(#"{"deviceId":"d1","authentication":\#(authentication)}"#).authentication
    }
    let thumbprint = Thumbprint(hex: print40)
    #expect(
      try read(#"{"type":"selfSigned"}"#) == .given(.selfSigned(primary: nil, secondary: nil))
    )
    for type in [#""type":"selfSigned","#, #""type":null,"#, ""] {
      let value = try read(#"{\#(type)"x509Thumbprint":{"secondaryThumbprint":"\#(print40)"}}"#)
      #expect(value == .given(.selfSigned(primary: nil, secondary: thumbprint)))
    }
    #expect(try read(#"{"type":"certificateAuthority"}"#) == .given(.certificateAuthority))
    #expect(try read(#"{"type":"none"}"#) == .given(.none))
  }

  static let refused: [(String, HubErrorCode, String)] = [
    ("", .argumentNull, "empty"), ("{", .iotHubFormatError, "not JSON"),
    ("{\"deviceId\":\"d1\",}", .iotHubFormatError, "not JSON"),
    ("[]", .deserializationError, "an array"), ("null", .deserializationError, "null"),
    ("{}", .argumentNull, "deviceId"), (#"{"deviceId":1}"#, .deserializationError, "deviceId"),
    (#"{"deviceId":"d2"}"#, .argumentInvalid, "path"),
    (#"{"deviceId":"D1"}"#, .argumentInvalid, "path"),
    (#"{"deviceId":"d1","status":"Enabled"}"#, .argumentInvalid, "status"),
    (#"{"deviceId":"d1","status":true}"#, .deserializationError, "status"),
    (#"{"deviceId":"d1","statusReason":1}"#, .deserializationError, "statusReason"),
    (#"{"deviceId":"d1","capabilities":{"iotEdge":"true"}}"#, .deserializationError, "iotEdge"),
    (#"{"deviceId":"d1","parentScopes":"p"}"#, .deserializationError, "parentScopes"),
    (#"{"deviceId":"d1","parentScopes":["p",1]}"#, .deserializationError, "parentScopes[1]"),
    (#"{"deviceId":"d1","authentication":"sas"}"#, .deserializationError, "authentication"),
    (#"{"deviceId":"d1","authentication":{"type":"SAS"}}"#, .argumentInvalid, "type"),
    (
      #"{"deviceId":"d1","authentication":{"symmetricKey":{"primaryKey":"\#(key1)"}}}"#,
      .argumentInvalid, "only one key"
    ),
    (
      #"{"deviceId":"d1","authentication":{"symmetricKey":{"primaryKey":"AAAA","secondaryKey":"\#(key1)"}}}"#,
      .argumentInvalid, "authentication.symmetricKey.primaryKey"
    ),
    (
      #"{"deviceId":"d1","authentication":{"symmetricKey":{"primaryKey":5}}}"#,
      .deserializationError, "authentication.symmetricKey.primaryKey"
    ),
    (
      #"{"deviceId":"d1","authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"ab:cd"}}}"#,
      .argumentInvalid, "StringIsNotThumbprint"
    ),
    (
      #"{"deviceId":"d1","authentication":{"type":"sas","x509Thumbprint":{"primaryThumbprint":"\#(print40)"}}}"#,
      .argumentInvalid, "x509Thumbprint"
    ),
    (
      #"{"deviceId":"d1","authentication":{"type":"certificateAuthority","symmetricKey":{"primaryKey":"\#(key1)","secondaryKey":"\#(key2)"}}}"#,
      .argumentInvalid, "symmetricKey"
    ),
  ]

  @Test("a refusal has its code, names the place and never repeats a key", arguments: refused)
  func refusals(text: String, code: HubErrorCode, part: String) {
    let error = refusal(text)
    #expect(error?.code == code)
    #expect(error?.message.contains(part) == true, "\(error?.message ?? "-")")
    #expect(error?.message.contains(key1) != true && error?.message.contains("AAAA") != true)
  }

  @Test("an illegal ID is refused even if path and body agree")
  func illegalID() {
    #expect(refusal(#"{"deviceId":"a b"}"#, id: "a b")?.code == .argumentInvalid)
    #expect(refusal(#"{"deviceId":""}"#, id: "")?.code == .argumentInvalid)
  }

  @Test("a body above the limit is refused unread")
  func tooLarge() {
    #expect(throws: HubError.self) { try RequestBody.parse([0x31, 0x31], limit: 1) }
    do throws(HubError) {
      _ = try RequestBody.parse([UInt8](repeating: 0x20, count: 1_048_577))
    } catch {
      #expect(error.code == .messageTooLarge)
    }
  }

  @Test("a module's body names device and module of the path")
  func modules() throws {
    func code(_ text: String) -> HubErrorCode? {
      do throws(HubError) {
        let json = try RequestBody.parse([UInt8](text.utf8))
        _ = try ModuleIdentityRequest(json: json, pathDeviceID: "d1", pathModuleID: "$edgeHub")
        return nil
      } catch { return error.code }
    }
    #expect(code(#"{"deviceId":"d1","moduleId":"$edgeHub"}"#) == nil)
    #expect(code(#"{"deviceId":"d1"}"#) == .argumentNull)
    #expect(code(#"{"moduleId":"$edgeHub"}"#) == .argumentNull)
    #expect(code(#"{"deviceId":"d1","moduleId":"m"}"#) == .argumentInvalid)
    #expect(code(#"{"deviceId":"d2","moduleId":"$edgeHub"}"#) == .argumentInvalid)
    let json = try JSON.parse(
      #"{"deviceId":"d","moduleId":"m","managedBy":"iotEdge","authentication":{"type":"none"}}"#
    )
    let request = try ModuleIdentityRequest(json: json, pathDeviceID: "d", pathModuleID: "m")
    #expect(request.managedBy == "iotEdge" && request.authentication == .given(.none))
  }

  private static func device() throws -> DeviceIdentity {
    DeviceIdentity(
      deviceID: "d1",
      generationID: "637",
      etagCounter: 1,
      authentication: .sas(
        primary: try #require(SymmetricKey(base64: key1)),
        secondary: try #require(SymmetricKey(base64: key2))
      )
    )
  }

  @Test("a device's answer has every member, null where nothing applies")
  func answer() throws {
    let text = JSON.text(try Self.device().json(IdentityActivity()))
    #expect(
      text
        == #"{"deviceId":"d1","generationId":"637","etag":"MQ==","connectionState":"Disconnected","#
        + #""status":"enabled","statusReason":null,"connectionStateUpdatedTime":"0001-01-01T00:00:00Z","#
        + #""statusUpdatedTime":"0001-01-01T00:00:00Z","lastActivityTime":"0001-01-01T00:00:00Z","#
        + #""cloudToDeviceMessageCount":0,"authentication":{"symmetricKey":{"primaryKey":"\#(key1)","#
        + #""secondaryKey":"\#(key2)"},"x509Thumbprint":{"primaryThumbprint":null,"#
        + #""secondaryThumbprint":null},"type":"sas"},"capabilities":{"iotEdge":false}}"#
    )
    let hidden = JSON.text(try Self.device().json(IdentityActivity(), includingKeys: false))
    #expect(!hidden.contains(key1) && !hidden.contains(key2))
  }

  @Test("what was read can be sent back unchanged")
  func echo() throws {
    var device = try Self.device()
    device.isEdge = true
    device.deviceScope = "ms-azure-iot-edge://d1-637"
    device.parentScopes = ["ms-azure-iot-edge://p-1"]
    device.statusReason = "r"
    device.status = .disabled
    let kinds: [Authentication] = [
      device.authentication, .selfSigned(primary: Thumbprint(hex: print40), secondary: nil),
      .certificateAuthority, .none,
    ]
    for authentication in kinds {
      device.authentication = authentication
      let json = device.json(IdentityActivity(isConnected: true, cloudToDeviceMessageCount: 3))
      #expect(json["connectionState"] == "Connected" && json["cloudToDeviceMessageCount"] == 3)
      let request = try DeviceIdentityRequest(json: json, pathDeviceID: "d1")
      #expect(request == ExportImportDevice(device).deviceRequest)
      #expect(request.authentication == .given(authentication))
    }
    let module = ModuleIdentity(
      deviceID: "d1",
      moduleID: "m",
      generationID: "1",
      etagCounter: 2,
      authentication: .none,
      managedBy: "iotEdge"
    )
    let json = module.json(IdentityActivity())
    #expect(json["status"] == nil && json["managedBy"] == "iotEdge" && json["etag"] == "Mg==")
    let request = try ModuleIdentityRequest(json: json, pathDeviceID: "d1", pathModuleID: "m")
    #expect(request == ExportImportDevice(module).moduleRequest)
  }
}
