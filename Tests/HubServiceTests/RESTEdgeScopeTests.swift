import HTTPTypes
import JSONTree
import Testing

@Suite("What an edge hub learns of its children (hub contract §3.10)")
struct RESTEdgeScopeTests {
  private static let version = "api-version=2020-06-30-preview"

  /// Three edge devices in a row, a leaf below each, and a device elsewhere; answers the credential of
  /// each edge hub.
  private func plant(_ hub: RESTHub) async throws -> [String: RESTHub.Credential] {
    var credentials: [String: RESTHub.Credential] = [:]
    var parents = ""
    for name in ["top", "mid", "end"] {
      let body = #"{"deviceId":"\#(name)","capabilities":{"iotEdge":true}\#(parents)}"#
      let edge = try await hub.send(.put, "/devices/\(name)", json: body).json()
      let scope = try #require(edge["deviceScope"]?.stringValue)
      parents = #","parentScopes":["\#(scope)"]"#
      _ = try await hub.send(
        .put,
        "/devices/leaf-\(name)",
        json: #"{"deviceId":"leaf-\#(name)","deviceScope":"\#(scope)"}"#
      )
      credentials[name] = try await edgeHub(hub, name)
    }
    _ = try await hub.device("stray")
    return credentials
  }

  /// Gives an edge hub keys, as the edge device's own identity service does.
  private func edgeHub(_ hub: RESTHub, _ name: String) async throws -> RESTHub.Credential {
    let reply = try await hub.send(
      .put,
      "/devices/\(name)/modules/$edgeHub",
      headers: [("If-Match", "*")],
      json: #"{"deviceId":"\#(name)","moduleId":"$edgeHub","authentication":{"type":"sas"}}"#
    )
    let key = try reply.json()["authentication"]?["symmetricKey"]?["primaryKey"]?.stringValue
    return .key(try #require(key, "\(reply)"), device: name, module: "$edgeHub")
  }

  private func path(_ edge: String, _ call: String) -> String {
    "/devices/\(edge)/modules/$edgeHub/\(call)"
  }

  private func names(_ reply: Reply) throws -> [String] {
    let body = try reply.json()
    let devices = (body["devices"]?.arrayValue ?? []).map { $0["deviceId"]?.stringValue ?? "?" }
    let modules = (body["modules"]?.arrayValue ?? []).map { module in
      "\(module["deviceId"]?.stringValue ?? "?")/\(module["moduleId"]?.stringValue ?? "?")"
    }
    return devices + modules
  }

  @Test("The older call lists the scope in pages, with a link that is a path")
  func list() async throws {
    try await RESTHub.run { hub in
      let credentials = try await plant(hub)
      let top = try #require(credentials["top"])
      let first =
        path("top", "devicesAndModulesInDeviceScope")
        + "?deviceCount=1&continuationToken=&api-version=2018-08-30-preview"
      let page = try await hub.send(.get, first, as: top, isVersioned: false)
      #expect(page.status == 200, "\(page)")
      #expect(try names(page) == ["top", "leaf-top", "top/$edgeAgent", "top/$edgeHub"])
      let leaf = try page.json()["devices"]?.arrayValue?.last
      let registered = try await hub.send(.get, "/devices/leaf-top").json()
      #expect(leaf == registered, "an identity as the registry tells it, keys included")
      #expect(leaf?["authentication"]?["symmetricKey"]?["primaryKey"]?.stringValue != nil)
      let link = try #require(try page.json()["continuationLink"]?.stringValue)
      let second = try await hub.send(.get, link, as: top, isVersioned: false)
      #expect(try names(second) == ["mid"], "\(link) \(second)")
      let next = try #require(try second.json()["continuationLink"]?.stringValue)
      let last = try await hub.send(.get, next, as: top, isVersioned: false)
      #expect(try last.json() == ["devices": [], "modules": [], "continuationLink": nil])
      let all = try await hub.send(.get, path("top", "devicesAndModulesInDeviceScope"), as: top)
      #expect(try names(all) == ["top", "leaf-top", "mid", "top/$edgeAgent", "top/$edgeHub"])
      for query in ["deviceCount=1001", "deviceCount=-1", "continuationToken=zz"] {
        let bad = try await hub.send(
          .get,
          path("top", "devicesAndModulesInDeviceScope") + "?" + query,
          as: top
        )
        #expect(bad.errorCode == "ArgumentInvalid", "\(query)")
      }
    }
  }

  @Test("The older call reads one identity; 400 says that it is not in the scope")
  func one() async throws {
    try await RESTHub.run { hub in
      let top = try #require(try await plant(hub)["top"])
      let rows: [(String, [String]?, String?)] = [
        ("targetDeviceId=leaf-top&targetModuleId=", ["leaf-top"], nil),
        ("targetDeviceId=mid&targetModuleId=$edgeHub", ["mid", "mid/$edgeHub"], nil),
        ("targetDeviceId=leaf-end", ["leaf-end"], nil),
        ("targetDeviceId=stray", nil, "InvalidDeviceScope"),
        ("targetDeviceId=nobody", nil, "InvalidDeviceScope"),
        ("targetDeviceId=mid&targetModuleId=none", nil, "InvalidDeviceScope"),
        ("targetModuleId=x", nil, "ArgumentNull"),
      ]
      for (query, expected, code) in rows {
        let reply = try await hub.send(
          .get,
          path("top", "deviceAndModuleInDeviceScope") + "?" + query,
          as: top
        )
        #expect(reply.status == (code == nil ? 200 : 400), "\(query) \(reply)")
        #expect(reply.errorCode == code, "\(query)")
        if let expected { #expect(try names(reply) == expected) }
      }
    }
  }

  @Test("The nested calls list and read for an edge device below, by its chain")
  func nested() async throws {
    try await RESTHub.run { hub in
      let credentials = try await plant(hub)
      let list = "devicesAndModulesInTargetDeviceScope"
      let one = "getDeviceAndModuleOnBehalfOf"
      let rows: [(String, String, String, [String]?, String?)] = [
        (
          "top", list, #"{"pageSize":10,"continuationLink":null,"authChain":"mid;top"}"#,
          ["mid", "end", "leaf-mid", "mid/$edgeAgent", "mid/$edgeHub"], nil
        ),
        (
          "top", list, #"{"pageSize":0,"authChain":"end;mid;top"}"#,
          ["end", "leaf-end", "end/$edgeAgent", "end/$edgeHub"], nil
        ),
        ("mid", list, #"{"authChain":"end;mid"}"#, nil, nil),
        ("mid", list, #"{"authChain":"mid;top"}"#, nil, "InvalidDeviceScope"),
        ("mid", list, #"{"authChain":"top"}"#, nil, "InvalidDeviceScope"),
        ("top", list, #"{"authChain":"end;top"}"#, nil, "InvalidDeviceScope"),
        ("top", list, #"{"authChain":"leaf-top;top"}"#, nil, "InvalidDeviceScope"),
        ("top", list, #"{"authChain":""}"#, nil, "ArgumentNull"),
        ("top", list, #"{"pageSize":5}"#, nil, "ArgumentNull"),
        ("top", list, #"{"authChain":"top","pageSize":1001}"#, nil, "ArgumentInvalid"),
        ("top", list, #"{"authChain":["top"]}"#, nil, "DeserializationError"),
        (
          "top", one, #"{"targetDeviceId":"leaf-mid","authChain":"mid/$edgeHub;mid;top"}"#,
          ["leaf-mid"], nil
        ),
        (
          "top", one,
          #"{"targetDeviceId":"end","targetModuleId":"$edgeAgent","authChain":"mid;top"}"#,
          ["end", "end/$edgeAgent"], nil
        ),
        (
          "top", one, #"{"targetDeviceId":"leaf-top","authChain":"mid;top"}"#, nil,
          "InvalidDeviceScope"
        ),
        (
          "mid", one, #"{"targetDeviceId":"leaf-top","authChain":"mid"}"#, nil,
          "InvalidDeviceScope"
        ),
        ("top", one, #"{"targetDeviceId":"stray","authChain":"top"}"#, nil, "InvalidDeviceScope"),
        ("top", one, #"{"authChain":"top"}"#, nil, "ArgumentNull"),
      ]
      for (actor, call, body, expected, code) in rows {
        let reply = try await hub.send(
          .post,
          path(actor, call) + "?" + Self.version,
          as: try #require(credentials[actor]),
          headers: [("x-ms-edge-moduleId", "\(actor)/$edgeHub")],
          json: body
        )
        #expect(reply.status == (code == nil ? 200 : 400), "\(body) \(reply)")
        #expect(reply.errorCode == code, "\(body)")
        if let expected { #expect(try names(reply) == expected, "\(body)") }
      }
    }
  }

  @Test("The nested list goes on where its link says")
  func nestedPages() async throws {
    try await RESTHub.run { hub in
      let top = try #require(try await plant(hub)["top"])
      var found: [String] = []
      var link: String?
      repeat {
        let continuation = link.map { "\"\($0)\"" } ?? "null"
        let reply = try await hub.send(
          .post,
          path("top", "devicesAndModulesInTargetDeviceScope"),
          as: top,
          json: #"{"pageSize":1,"continuationLink":\#(continuation),"authChain":"mid;top"}"#
        )
        found += try names(reply)
        link = try reply.json()["continuationLink"]?.stringValue
      } while link != nil && found.count < 20
      #expect(found == ["mid", "end", "mid/$edgeAgent", "mid/$edgeHub", "leaf-mid"])
    }
  }

  @Test("Only the edge hub itself may ask: no policy, no other edge hub, not the device, no leaf")
  func access() async throws {
    try await RESTHub.run { hub in
      let credentials = try await plant(hub)
      let own = try await hub.send(.get, "/devices/top").json()["authentication"]
      let deviceKey = try #require(own?["symmetricKey"]?["primaryKey"]?.stringValue)
      let leaf = try await hub.device("plain")
      let calls: [(HTTPRequest.Method, String, String)] = [
        (.get, "devicesAndModulesInDeviceScope", ""),
        (.get, "deviceAndModuleInDeviceScope?targetDeviceId=top", ""),
        (.post, "devicesAndModulesInTargetDeviceScope", #"{"authChain":"top"}"#),
        (
          .post, "getDeviceAndModuleOnBehalfOf",
          #"{"targetDeviceId":"top","authChain":"top"}"#
        ),
      ]
      let strangers: [RESTHub.Credential] = [
        .none, .policy("iothubowner"), .policy("device"), try #require(credentials["mid"]), leaf,
        .key(deviceKey, device: "top"), .key(deviceKey, device: "top", module: "$edgeHub"),
      ]
      for (method, call, body) in calls {
        for stranger in strangers {
          let reply = try await hub.send(method, path("top", call), as: stranger, json: body)
          #expect(reply.status == 401, "\(call) \(stranger)")
        }
        let reply = try await hub.send(
          method,
          path("top", call),
          as: try #require(credentials["top"]),
          json: body
        )
        #expect(reply.status == 200, "\(call) \(reply)")
        // A device that is no edge device has no edge hub.
        #expect(try await hub.send(method, path("plain", call), as: leaf, json: body).status == 401)
      }
      let disabled = try await hub.send(.get, "/devices/top").text
        .replacing(#""status":"enabled""#, with: #""status":"disabled""#)
      _ = try await hub.send(.put, "/devices/top", headers: [("If-Match", "*")], json: disabled)
      let reply = try await hub.send(
        .get,
        path("top", "devicesAndModulesInDeviceScope"),
        as: try #require(credentials["top"])
      )
      #expect(reply.status == 401)
    }
  }
}
