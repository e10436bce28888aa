import Glibc
import OrreryModule
import Testing

@Suite("A module's client in a larger program")
struct ModuleClientTests {
  @Test func `A program that handles signals itself ends its module by cancelling it`() async {
    await #expect(processExitsWith: .success) {
      setenv(
        "EdgeHubConnectionString",
        "HostName=127.0.0.1;DeviceId=d;ModuleId=m;"
          + "SharedAccessKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        1
      )
      signal(SIGTERM, SIG_DFL)
      let client = try ModuleClient.fromEnvironment()
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      let running = Task {
        try await client.run(trapsSignals: false) { client in
          begin.yield()
          // Nobody answers; what waits is cancelled, and says so.
          _ = try await client.twin()
        }
      }
      for await _ in begun { break }
      var action = sigaction()
      sigaction(SIGTERM, nil, &action)
      guard action.__sigaction_handler.sa_handler == nil else { exit(2) }
      running.cancel()
      try await running.value
    }
  }
}
