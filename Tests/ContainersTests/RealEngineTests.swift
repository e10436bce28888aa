import Containers
import EdgeEngine
import Glibc
import HubContract
import Platform
import Testing

/// Needs an engine with the image `orrery-test:1`, as scripts/lib/container_engine.sh starts it.
@Suite(
  "A real container engine",
  .enabled(if: getenv("EDGE_TEST_DOCKER_SOCKET") != nil),
  .serialized,
  .timeLimit(.minutes(2))
)
struct RealEngineTests {
  private func withRuntime(_ body: (DockerRuntime) async throws -> Void) async throws {
    let path = try #require(getenv("EDGE_TEST_DOCKER_SOCKET").map { String(cString: $0) })
    let runtime = DockerRuntime(address: path, networkID: "edge")
    do {
      try await body(runtime)
    } catch {
      try? await runtime.remove("orrery-real")
      await runtime.close()
      throw error
    }
    try await runtime.remove("orrery-real")
    await runtime.close()
  }

  private func make(
    _ runtime: DockerRuntime,
    _ command: String = "[]",
    extra: String = ""
  ) async throws {
    let module = try Bodies.module(
      "orrery-real",
      image: "orrery-test:1",
      options:
        #"{"Cmd":\#(command),"HostConfig":{"NetworkMode":"none","Memory":67108864}\#(extra)}"#,
      environment: ["A": "1"]
    )
    try await runtime.create("orrery-real", Bodies.body(module))
  }

  private func module(_ runtime: DockerRuntime) async throws -> ModuleObservation? {
    try await runtime.modules().first { $0.name == "orrery-real" }
  }

  @Test("a module is made, started, read, measured, stopped and removed")
  func life() async throws {
    try await withRuntime { runtime in
      try await make(runtime)
      let made = try #require(try await module(runtime))
      #expect(made.state == .created)
      #expect(made.image == "orrery-test:1")
      #expect(made.environment == ["A": "1"])
      #expect(made.imageHash.hasPrefix("sha256:"))
      try await runtime.start("orrery-real")
      #expect(try await module(runtime)?.state == .running)
      try await Pause.sleep(for: .milliseconds(300))
      var text: [LogChunk.Stream: [UInt8]] = [:]
      try await runtime.logs(of: "orrery-real", LogQuery()) {
        text[$0.stream, default: []] += $0.bytes
      }
      #expect(text[.output] == Array("hello from orrery-real\n".utf8))
      #expect(text[.error] == Array("oops\n".utf8))
      let usage = try await runtime.usage(of: "orrery-real")
      #expect(try #require(usage.memoryBytes) > 0)
      try await runtime.stop("orrery-real", within: 1)
      let stopped = try #require(try await module(runtime))
      #expect(stopped.state == .exited(137))
      #expect(try #require(stopped.lastExit) >= (stopped.lastStart ?? .latest))
      try await runtime.remove("orrery-real")
      let gone = try await module(runtime)
      #expect(gone == nil)
    }
  }

  @Test("the exit code is the program's")
  func exitCode() async throws {
    try await withRuntime { runtime in
      try await make(runtime, #"["7"]"#)
      try await runtime.start("orrery-real")
      for _ in 0..<100 where try await module(runtime)?.state == .running {
        try await Pause.sleep(for: .milliseconds(50))
      }
      #expect(try await module(runtime)?.state == .exited(7))
    }
  }

  @Test("a failing health check is seen")
  func health() async throws {
    try await withRuntime { runtime in
      try await make(
        runtime,
        extra:
          #","Healthcheck":{"Test":["CMD","/module","1"],"Interval":100000000,"Timeout":1000000000,"Retries":1}"#
      )
      try await runtime.start("orrery-real")
      for _ in 0..<100 where try await module(runtime)?.state == .running {
        try await Pause.sleep(for: .milliseconds(100))
      }
      #expect(try await module(runtime)?.state == .unhealthy)
    }
  }

  @Test("images are known by their names, and one that is not there cannot be fetched")
  func images() async throws {
    try await withRuntime { runtime in
      #expect(try await runtime.image("orrery-test:1")?.names == ["orrery-test:1"])
      let missing = try #require(ImageReference("127.0.0.1:1/none:1"))
      #expect(try await runtime.image(missing.description) == nil)
      let images = try await runtime.images()
      #expect(images.contains { $0.names.contains("orrery-test:1") })
      let fault = await fault {
        try await runtime.pull(ImageSource(reference: missing)) { _ in }
      }
      #expect(fault?.description.contains("127.0.0.1:1/none:1") == true)
      let platform = try await runtime.platform()
      #expect(platform.os == "linux" && !platform.version.isEmpty)
    }
  }

  @Test("create options that the engine does not like are told in its words")
  func refused() async throws {
    try await withRuntime { runtime in
      let module = try Bodies.module(
        "orrery-real",
        image: "orrery-test:1",
        options: #"{"HostConfig":{"NetworkMode":"none","Memory":1}}"#
      )
      let fault = await fault { try await runtime.create("orrery-real", Bodies.body(module)) }
      #expect(fault?.description.contains("memory") == true)
    }
  }
}
