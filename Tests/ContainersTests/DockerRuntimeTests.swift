import ByteIO
import Containers
import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("The Docker Engine API (edge contract sections 2.4, 2.5, 3.5)", .timeLimit(.minutes(1)))
struct DockerRuntimeTests {
  private static let labels =
    #"{"net.azure-devices.edge.owner":"Microsoft.Azure.Devices.Edge.Agent","#
    + #""net.azure-devices.edge.original-image":"r/a:1","net.azure-devices.edge.create-options":"{}","#
    + #""net.azure-devices.edge.env":"{\"A\":{\"value\":\"1\"}}"}"#

  private static func container(_ state: String, name: String = "/filter") -> String {
    #"{"Id":"c1","Name":"\#(name)","Image":"sha256:ab","State":\#(state),"Config":{"Tty":false,"Labels":\#(labels)}}"#
  }

  private static func observed(_ state: String) async throws -> [ModuleObservation] {
    var modules: [ModuleObservation] = []
    try await FakeEngine.run { request in
      switch request.path {
      case "/containers/json": .text(200, #"[{"Id":"c1"}]"#)
      case "/containers/c1/json": .text(200, container(state))
      default: nil
      }
    } _: { runtime, _ in
      modules = try await runtime.modules()
    }
    return modules
  }

  @Test(
    "a container's state is a module's state",
    arguments: [
      (#"{"Status":"created","StartedAt":"0001-01-01T00:00:00Z"}"#, "created"),
      (#"{"Status":"running"}"#, "running"),
      (#"{"Status":"running","Health":{"Status":"healthy"}}"#, "running"),
      (#"{"Status":"running","Health":{"Status":"unhealthy"}}"#, "unhealthy"),
      (#"{"Status":"exited","ExitCode":0}"#, "exited(0)"),
      (#"{"Status":"exited","ExitCode":137}"#, "exited(137)"),
      (#"{"Status":"dead"}"#, "dead"), (#"{"Status":"removing"}"#, "dead"),
      (#"{"Status":"dreaming"}"#, "unknown"), ("null", "unknown"),
    ]
  )
  func states(_ state: String, _ expected: String) async throws {
    let modules = try await Self.observed(state)
    #expect(modules.map { "\($0.state)" } == [expected])
    #expect(modules.first?.environment == ["A": "1"])
    #expect(modules.first?.image == "r/a:1")
    #expect(modules.first?.name == "filter")
    #expect(modules.first?.imageHash == "sha256:ab")
  }

  @Test("times come with nanoseconds, and year 1 is never")
  func times() async throws {
    let state =
      #"{"Status":"exited","ExitCode":1,"StartedAt":"2026-01-02T03:04:05.123456789Z","#
      + #""FinishedAt":"0001-01-01T00:00:00Z"}"#
    let module = try #require(try await Self.observed(state).first)
    #expect(module.lastStart == Timestamp(iso8601: "2026-01-02T03:04:05.1234567Z"))
    #expect(module.lastExit == nil)
  }

  @Test("containers that are no modules, or have just gone, are left out")
  func strangers() async throws {
    try await FakeEngine.run { request in
      switch request.path {
      case "/containers/json": .text(200, #"[{"Id":"gone"},{"Id":"c2"},{},3]"#)
      case "/containers/c2/json": .text(200, #"{"Name":"/x","Config":{"Labels":{}}}"#)
      default: nil
      }
    } _: { runtime, engine in
      let modules = try await runtime.modules()
      #expect(modules.isEmpty)
      let list = try #require(engine.requests.first { $0.path == "/containers/json" })
      #expect(list.uri.contains("all=true"))
      #expect(list.uri.contains("net.azure-devices.edge.owner%3DMicrosoft"))
      #expect(list.uri.hasPrefix("/v1.41/"))
    }
  }

  @Test("create options go to the engine untouched, large numbers too, and the network is made")
  func create() async throws {
    let module = try Bodies.module(
      image: "r/a:1",
      options: #"{"Healthcheck":{"Interval":9007199254740993},"HostConfig":{"Odd":{"x":[1.50]}}}"#
    )
    try await FakeEngine.run { request in
      switch (request.method, request.path) {
      case ("POST", "/networks/create"): .text(201, "{}")
      case ("POST", "/containers/create"): .text(201, #"{"Id":"c"}"#)
      default: nil
      }
    } _: { runtime, engine in
      try await runtime.create("filter", Bodies.body(module))
      let body = try #require(engine.requests.first { $0.path == "/containers/create" })
      #expect(body.uri.hasSuffix("?name=filter"))
      let text = String(decoding: body.body, as: UTF8.self)
      #expect(text.contains(#""Healthcheck":{"Interval":9007199254740993}"#))
      #expect(text.contains(#""Odd":{"x":[1.50]}"#))
      let network = try #require(engine.requests.first { $0.path == "/networks/create" })
      #expect(try JSON.parse(network.body)["Name"] == "edge")
    }
  }

  @Test("fetching tells how far it is, and carries the credential")
  func pull() async throws {
    let lines = [
      #"{"status":"Pulling fs layer","id":"a"}"#, #"{"status":"Pulling fs layer","id":"b"}"#,
      #"{"status":"Downloading","id":"a","progressDetail":{"current":1048576,"total":3145728}}"#,
      #"{"status":"Pull complete","id":"b"}"#, "",
    ].map { Array(($0 + "\r\n").utf8) }
    let credential = RegistryCredential(
      name: "r",
      address: "r.example",
      username: "u",
      password: "p>>>?"
    )
    try await FakeEngine.run { request in
      request.path == "/images/create" ? .parts(200, lines) : nil
    } _: { runtime, engine in
      let reference = try #require(ImageReference("r.example/a/b:1"))
      let progress = Collected<PullProgress>()
      try await runtime.pull(ImageSource(reference: reference, credential: credential)) {
        progress.append($0)
      }
      #expect(
        progress.all.last
          == PullProgress(doneLayers: 1, layers: 2, bytes: 1 << 20, totalBytes: 3 << 20)
      )
      let request = try #require(engine.requests.first { $0.path == "/images/create" })
      #expect(request.uri.hasSuffix("?fromImage=r.example%2Fa%2Fb&tag=1"))
      let header = try #require(request.headers.first { $0.name == "X-Registry-Auth" }?.value)
      #expect(!header.contains("+") && !header.contains("/"))
      let decoded = Base64.decode(String(header.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }))
      #expect(
        try JSON.parse(try #require(decoded))
          == ["username": "u", "password": "p>>>?", "serveraddress": "r.example"]
      )
    }
  }

  @Test("a failure while fetching names the image and how far it got")
  func pullFails() async throws {
    let lines = [
      #"{"status":"Downloading","id":"a","progressDetail":{"current":1048576,"total":3145728}}"#,
      #"{"errorDetail":{"message":"no route to host"},"error":"no route to host"}"#,
    ].map { Array(($0 + "\n").utf8) }
    try await FakeEngine.run { request in
      request.path == "/images/create" ? .parts(200, lines) : nil
    } _: { runtime, _ in
      let reference = try #require(ImageReference("r.example/a:1"))
      let fault = await fault {
        try await runtime.pull(ImageSource(reference: reference, credential: nil)) { _ in }
      }
      let text = try #require(fault?.description)
      #expect(text.contains("r.example/a:1"))
      #expect(text.contains("no route to host"))
      #expect(text.contains("0 of 1 layers, 1 of 3 MiB"))
    }
  }

  @Test("the log's frames are taken apart wherever they were cut")
  func logs() async throws {
    let frames =
      LogChunk(.output, Array("one\n".utf8)).frame + LogChunk(.error, Array("two\n".utf8)).frame
    for cut in 0...frames.count {
      try await FakeEngine.run { request in
        switch request.path {
        case "/containers/filter/json": .text(200, Self.container(#"{"Status":"running"}"#))
        case "/containers/filter/logs":
          .parts(200, [Array(frames[..<cut]), Array(frames[cut...])].filter { !$0.isEmpty })
        default: nil
        }
      } _: { runtime, engine in
        var text: [LogChunk.Stream: [UInt8]] = [:]
        let since = try #require(Timestamp(iso8601: "2026-01-02T03:04:05.5Z"))
        try await runtime.logs(of: "filter", LogQuery(since: since, tail: 5)) { chunk in
          text[chunk.stream, default: []] += chunk.bytes
        }
        #expect(text == [.output: Array("one\n".utf8), .error: Array("two\n".utf8)])
        let request = try #require(engine.requests.first { $0.path.hasSuffix("/logs") })
        #expect(request.uri.contains("tail=5"))
        #expect(request.uri.contains("since=1767323045.5000000"))
      }
    }
  }

  @Test(
    "what the engine should not answer is a fault, and no end of the program",
    arguments: [
      ("no JSON", FakeEngine.Answer.text(200, "<html>")),
      ("no list", .text(200, "{}")),
      ("nothing", .text(200, "")),
      ("no HTTP", .bytes([0, 1, 2, 3])),
      ("the end", .bytes([])),
      ("too much", .text(200, "[\"" + String(repeating: "a", count: 5 << 20) + "\"]")),
      ("500", .text(500, #"{"message":"on fire"}"#)),
      ("500 without words", .text(500, "")),
      ("deep", .text(200, String(repeating: "[", count: 100_000))),
    ]
  )
  func malformed(_ name: String, _ answer: FakeEngine.Answer) async throws {
    try await FakeEngine.run { request in
      request.path == "/containers/json" ? answer : nil
    } _: { runtime, _ in
      let fault = await fault { _ = try await runtime.modules() }
      let text = try #require(fault?.description)
      #expect(text.hasPrefix("Listing modules: "))
    }
  }

  @Test(
    "malformed frames of a log are a fault",
    arguments: [
      [3, 0, 0, 0, 0, 0, 0, 1, 65], [1, 1, 0, 0, 0, 0, 0, 1, 65], [1, 0, 0, 0, 255, 0, 0, 0],
    ]
      as [[UInt8]]
  )
  func malformedFrames(_ bytes: [UInt8]) async throws {
    try await FakeEngine.run { request in
      switch request.path {
      case "/containers/filter/json": .text(200, Self.container(#"{"Status":"running"}"#))
      case "/containers/filter/logs": .parts(200, [bytes])
      default: nil
      }
    } _: { runtime, _ in
      let fault = await fault { try await runtime.logs(of: "filter", LogQuery()) { _ in } }
      #expect(fault?.code == .failed)
    }
  }

  @Test("the engine's words reach the person, by the kind of failure")
  func refusals() async throws {
    let kinds: [(Int, RuntimeFault.Code)] = [
      (400, .refused), (404, .notFound), (409, .conflict), (500, .failed),
    ]
    for (status, code) in kinds {
      try await FakeEngine.run { request in
        request.method == "POST" ? .text(status, #"{"message":"port is taken"}"#) : nil
      } _: { runtime, _ in
        let fault = await fault { try await runtime.start("filter") }
        #expect(fault?.code == code)
        #expect(fault?.description == "Starting the container filter: port is taken")
      }
    }
  }

  @Test("starting what runs, stopping what does not, removing what is not there is no failure")
  func idempotent() async throws {
    try await FakeEngine.run { request in
      switch request.method {
      case "POST": .parts(304, [])
      default: nil
      }
    } _: { runtime, _ in
      try await runtime.start("filter")
      try await runtime.stop("filter", within: 1)
      try await runtime.remove("filter")
    }
  }

  @Test("an engine that is not there is told with its socket")
  func unreachable() async throws {
    let runtime = DockerRuntime(address: "/tmp/no/such.sock", networkID: "edge")
    let fault = await fault { _ = try await runtime.modules() }
    await runtime.close()
    #expect(fault?.code == .unreachable)
    #expect(fault?.description.contains("/tmp/no/such.sock") == true)
    #expect(fault?.description.contains("Is it installed") == true)
  }

  @Test("statistics are read as far as they are there")
  func usage() async throws {
    try await FakeEngine.run { request in
      request.path == "/containers/filter/stats"
        ? .text(
          200,
          #"{"memory_stats":{"usage":7},"cpu_stats":{"cpu_usage":{"total_usage":9}},"networks":{"#
            + #""a":{"rx_bytes":1,"tx_bytes":2},"b":{"rx_bytes":3}},"blkio_stats":{"#
            + #""io_service_bytes_recursive":[{"op":"Read","value":5}]}}"#
        ) : nil
    } _: { runtime, _ in
      let usage = try await runtime.usage(of: "filter")
      #expect(usage.memoryBytes == 7)
      #expect(usage.processorNanoseconds == 9)
      #expect(usage.networkInBytes == 4)
      #expect(usage.networkOutBytes == 2)
      #expect(usage.diskReadBytes == 5)
      #expect(usage.processCount == nil)
    }
  }
}
