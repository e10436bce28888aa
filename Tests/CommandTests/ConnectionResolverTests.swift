import HubContract
import OperatorCommands
import Testing

@Suite("Which hub a command talks to")
struct ConnectionResolverTests {
  private static func text(_ host: String, _ policy: String = "iothubowner") -> String {
    "HostName=\(host);SharedAccessKeyName=\(policy);SharedAccessKey=\(CommandHarness.key)"
  }

  private static func world() -> CommandHarness {
    var harness = CommandHarness()
    harness.environment = [:]
    return harness
  }

  @Test("The command line wins over the environment, which wins over a hub on this machine")
  func order() async throws {
    var harness = Self.world()
    harness.files[".orrery/connection.json"] = #"{"connectionString":"\#(Self.text("local"))"}"#
    harness.files["dir/connection.json"] = #"{"connectionString":"\#(Self.text("dir"))"}"#
    harness.files["file"] = Self.text("file") + "\n"
    #expect(try await harness.resolve(ConnectionResolver()).get().host == "local")
    harness.environment["ORRERY_CONNECTION_STRING"] = Self.text("environment")
    #expect(try await harness.resolve(ConnectionResolver()).get().host == "environment")
    let directory = ConnectionResolver(dataDirectory: "dir")
    #expect(try await harness.resolve(directory).get().host == "dir")
    let file = ConnectionResolver(connectFile: "file")
    #expect(try await harness.resolve(file).get().host == "file")
  }

  @Test("A hub's own file says ports, authority and where operators ask")
  func hubFile() async throws {
    var harness = Self.world()
    harness.files["/h/connection.json"] = #"""
      {"connectionString":"\#(Self.text("h"))","https":10443,"mqtt":18883,
       "admin":"http://127.0.0.1:9600","ca":"./h/tls/ca.pem"}
      """#
    harness.files["/h/tls/ca.pem"] = "pem"
    let connection = try await harness.resolve(ConnectionResolver(dataDirectory: "/h")).get()
    #expect(connection.httpsPort == 10443)
    #expect(connection.mqttPort == 18883)
    #expect(connection.adminURL == "http://127.0.0.1:9600")
    // The hub wrote a path relative to where it was started; the file's own folder has it too.
    #expect(connection.trustAnchors == "/h/tls/ca.pem")
  }

  @Test(
    "The authority's path is seen from the file, and found again where the directory has moved",
    arguments: [
      ("/elsewhere/ca.pem", "/elsewhere/ca.pem"), ("tls/ca.pem", "d/tls/ca.pem"),
      ("own.pem", "d/own.pem"), ("/gone/tls/ca.pem", "d/tls/ca.pem"),
      ("other.pem", "d/tls/ca.pem"),
    ]
  )
  func authorityPath(_ written: String, _ found: String) async throws {
    var harness = Self.world()
    harness.files["d/connection.json"] =
      #"{"connectionString":"\#(Self.text("h"))","ca":"\#(written)"}"#
    for path in ["/elsewhere/ca.pem", "d/tls/ca.pem", "d/own.pem", "tls/ca.pem", "other.pem"] {
      harness.files[path] = "pem"
    }
    let connection = try await harness.resolve(ConnectionResolver(dataDirectory: "d")).get()
    #expect(connection.trustAnchors == found)
  }

  @Test("The file that tells all policies is understood too")
  func readyFile() async throws {
    var harness = Self.world()
    harness.files["ready.json"] =
      #"{"policies":{"iothubowner":{"connectionString":"\#(Self.text("h"))"}},"mqtt":1}"#
    let resolver = ConnectionResolver(connectFile: "ready.json")
    let connection = try await harness.resolve(resolver).get()
    #expect(connection.host == "h")
    #expect(connection.mqttPort == 1)
  }

  @Test("--ca wins over ORRERY_CA, which wins over the file")
  func authority() async throws {
    var harness = Self.world()
    harness.files["file"] = #"{"connectionString":"\#(Self.text("h"))","ca":"/a.pem"}"#
    let plain = ConnectionResolver(connectFile: "file")
    #expect(try await harness.resolve(plain).get().trustAnchors == "/a.pem")
    harness.environment["ORRERY_CA"] = "/b.pem"
    #expect(try await harness.resolve(plain).get().trustAnchors == "/b.pem")
    let told = ConnectionResolver(connectFile: "file", trustAnchors: "/c.pem")
    #expect(try await harness.resolve(told).get().trustAnchors == "/c.pem")
  }

  @Test(
    "A host name may have a port",
    arguments: [
      ("hub", "hub", 443), ("hub:8443", "hub", 8443), ("10.0.0.1:1", "10.0.0.1", 1),
      ("[::1]:8443", "::1", 8443), ("::1", "::1", 443),
    ]
  )
  func ports(_ hostName: String, _ host: String, _ port: Int) async throws {
    var harness = Self.world()
    harness.environment["ORRERY_CONNECTION_STRING"] = Self.text(hostName)
    let connection = try await harness.resolve(ConnectionResolver()).get()
    #expect(connection.host == host)
    #expect(connection.httpsPort == port)
  }

  @Test(
    "What is no policy's connection string is refused without telling its key",
    arguments: [
      "HostName=h;DeviceId=d;SharedAccessKey=\(CommandHarness.key)",
      "HostName=h:0;SharedAccessKeyName=p;SharedAccessKey=\(CommandHarness.key)",
      "HostName=h:x;SharedAccessKeyName=p;SharedAccessKey=\(CommandHarness.key)",
      "HostName=h;SharedAccessKeyName=p",
      "HostName=h;SharedAccessKeyName=p;SharedAccessKey=abc",
      "\(CommandHarness.key)",
      "{\"ca\":\"x\"}", "{", "",
    ]
  )
  func refused(_ text: String) async {
    var harness = Self.world()
    harness.files["file"] = text
    guard
      case .failure(let failure) = await harness.resolve(ConnectionResolver(connectFile: "file"))
    else {
      Issue.record("taken: \(text)")
      return
    }
    #expect(failure.status == .usage)
    #expect(failure.problem.contains("file"))
    #expect(!failure.description.contains(CommandHarness.key))
  }

  @Test("What lacks a policy is told of the policy, not of a device")
  func noPolicy() async {
    var harness = Self.world()
    harness.files["file"] = "HostName=h"
    let found = await harness.resolve(ConnectionResolver(connectFile: "file"))
    guard case .failure(let failure) = found else {
      Issue.record("taken")
      return
    }
    #expect(failure.problem.contains("'SharedAccessKeyName'"))
    #expect(!failure.problem.contains("DeviceId"))
  }

  @Test("Nothing that says which hub, and a file that is not there, are told apart")
  func missing() async {
    let harness = Self.world()
    guard case .failure(let nothing) = await harness.resolve(ConnectionResolver()),
      case .failure(let file) = await harness.resolve(ConnectionResolver(connectFile: "gone")),
      case .failure(let both) = await harness.resolve(
        ConnectionResolver(connectFile: "a", dataDirectory: "b")
      )
    else {
      Issue.record("found something")
      return
    }
    #expect(nothing.status == .usage)
    #expect(nothing.remedy?.contains("--connect") == true)
    #expect(file.status == .notFound)
    #expect(both.status == .usage)
  }

  @Test("Requests carry a token of the policy for the host, without its port")
  func token() async throws {
    let hub = ScriptedHub([.device()])
    var console = Console.system
    console.environment = [
      "ORRERY_CONNECTION_STRING": Self.text("Hub.Example:8443", "service")
    ]
    console.transport = { _ in hub }
    console.writeOutput = { _ in }
    console.now = { CommandHarness.now }
    let status = await Console.$current.withValue(console) {
      await CommandRunner.run(TestRoot.self, ["device", "show", "d1"])
    }
    #expect(status == .success)
    #expect(hub.isClosed)
    let token = try SharedAccessSignature(try #require(hub.tokens.first))
    #expect(token.policy == "service")
    #expect(token.resource == SASResource(host: "hub.example"))
    #expect(token.expirySeconds == CommandHarness.now.seconds + 3600)
  }
}
