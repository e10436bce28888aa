import Foundation
import HubService
import Logging
import NIOCore
import NIOPosix
import Platform
import Synchronization
import Testing

/// A data directory, and hubs that start on it, or do not.
private struct Start {
  let folder: String

  /// Runs `body` with a new data directory and removes it afterwards.
  static func run(_ body: (Start) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("orrery-start-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(Start(folder: folder))
  }

  func hub(
    _ settings: [(String, String)] = [],
    onReady: @escaping @Sendable () -> Void = {}
  ) throws -> HubServer {
    let ports = [
      "listen.mqtt_port", "listen.amqp_port", "listen.https_port", "listen.admin_port",
    ].map { ($0, "0") }
    return try HubServer(
      settings: HubSettings(
        file: nil,
        environment: [:],
        overrides: ports + [("listen.host", "127.0.0.1"), ("log.segment_bytes", "1048576")]
          + settings,
        isEphemeral: true
      ),
      dataDirectory: folder,
      metrics: PrometheusMetrics(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      onReady: { _ in onReady() }
    )
  }

  /// Starts a hub, waits until it listens, and stops it.
  func once(_ settings: [(String, String)] = []) async throws {
    let (ready, announce) = AsyncStream.makeStream(of: Void.self)
    let server = try hub(settings) { announce.yield() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run() }
      group.addTask { for await _ in ready { break } }
      try await group.next()
      group.cancelAll()
      while let result = await group.nextResult() { _ = result }
    }
  }

  func write(_ name: String, _ text: String) throws {
    try PrivateFile.replace(folder + "/" + name, with: Array(text.utf8))
  }

  /// What a start says that does not come to serve.
  func fault(_ settings: [(String, String)] = []) async throws -> SettingsFault {
    let server: HubServer
    do {
      server = try hub(settings)
    } catch let fault as SettingsFault {
      return fault
    }
    do {
      try await server.run()
    } catch let fault as SettingsFault {
      return fault
    }
    throw SettingsFault("it started")
  }
}

/// How many entries a directory of this process has.
private func entries(_ path: String) -> Int {
  (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? 0
}

@Suite("A start that fails", .serialized, .timeLimit(.minutes(2)))
struct FailedStartTests {
  @Test(
    "A file that cannot be used is told by its name, with what to do",
    arguments: [
      ("tls/server.key", "", "Remove"), ("tls/server.pem", "nonsense", "Remove"),
      (
        "tls/server.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "Remove"
      ),
      ("tls/ca.pem", "", "backup"), ("admin.token", "short", "Remove"),
      ("storage.key", "c2hvcnQ=", "Remove"),
      ("registry.sqlite", "this is no database, but it is long enough to look like one", "restore"),
    ]
  )
  func files(_ name: String, _ content: String, _ remedy: String) async throws {
    try await Start.run { start in
      try await start.once()
      if name == "registry.sqlite" {
        for end in ["-wal", "-shm"] {
          try? FileManager.default.removeItem(atPath: start.folder + "/" + name + end)
        }
      }
      try start.write(name, content)
      let fault = try await start.fault()
      #expect(fault.problem.contains(start.folder + "/" + name), "\(fault)")
      #expect(fault.remedy?.contains(remedy) == true, "\(fault)")
    }
  }

  @Test("A key of the authority that cannot sign is told when a certificate has to be made")
  func authorityKey() async throws {
    try await Start.run { start in
      try await start.once()
      let other = try CertificateMaker.makeAuthority(commonName: "Other")
      for (content, word) in [("", "no private key"), (other.privateKeyPEM, "not the key")] {
        try start.write("tls/ca.key", content)
        // The present certificate still serves.
        try await start.once()
        let fault = try await start.fault([("hub.names", "other.example")])
        #expect(fault.problem.contains("tls/ca.key") && fault.problem.contains(word), "\(fault)")
        #expect(fault.remedy?.contains("backup") == true)
      }
      try FileManager.default.removeItem(atPath: start.folder + "/tls/ca.key")
      #expect(try await start.fault().problem.contains("tls/ca.key"))
    }
  }

  @Test("The remedy for a lost authority helps: a new one, and a server certificate of it")
  func newAuthority() async throws {
    try await Start.run { start in
      func certificate(_ name: String) throws -> PresentedCertificate {
        try #require(PresentedCertificate(try PrivateFile.read(start.folder + "/tls/" + name)))
      }
      try await start.once()
      let (old, server) = (try certificate("ca.pem"), try certificate("server.pem"))
      #expect(server.isSigned(by: old))
      try await start.once()
      #expect(try certificate("server.pem").der == server.der)
      for name in ["ca.pem", "ca.key"] {
        try FileManager.default.removeItem(atPath: start.folder + "/tls/" + name)
      }
      try await start.once()
      #expect(try certificate("ca.pem").der != old.der)
      #expect(try certificate("server.pem").isSigned(by: certificate("ca.pem")))
    }
  }

  @Test("A certificate of the operator's own is told by its setting and its file")
  func ownCertificate() async throws {
    try await Start.run { start in
      let authority = try CertificateMaker.makeAuthority(commonName: "Own")
      let issued = try CertificateMaker.makeServer(names: ["localhost"], authority: authority)
      try start.write("own.pem", issued.certificatePEM)
      try start.write("own.key", issued.privateKeyPEM)
      try start.write("other.key", authority.privateKeyPEM)
      try start.write("empty", "")
      func own(_ certificate: String, _ key: String) -> [(String, String)] {
        [
          ("tls.certificate", start.folder + "/" + certificate),
          ("tls.private_key", start.folder + "/" + key),
        ]
      }
      try await start.once(own("own.pem", "own.key"))
      for (certificate, key, setting, file) in [
        ("empty", "own.key", "tls.certificate", "empty"),
        ("own.pem", "empty", "tls.private_key", "empty"),
        ("own.pem", "other.key", "tls.private_key", "other.key"),
        ("gone", "own.key", "tls.certificate", "gone"),
        ("own.pem", "gone", "tls.private_key", "gone"),
      ] {
        let fault = try await start.fault(own(certificate, key))
        #expect(fault.problem.contains(setting), "\(fault)")
        #expect(fault.problem.contains(start.folder + "/" + file), "\(fault)")
      }
    }
  }

  @Test(
    "A port in use is told with its address and its setting",
    arguments: [
      "listen.mqtt_port", "listen.amqp_port", "listen.https_port", "listen.admin_port",
      "listen.plain_mqtt_port",
    ]
  )
  func ports(_ setting: String) async throws {
    try await Self.withTakenPort { port in
      try await Start.run { start in
        let fault = try await start.fault([(setting, "\(port)")])
        #expect(fault.problem.contains("127.0.0.1:\(port)") && fault.problem.contains(setting))
        #expect(fault.problem.contains("another program"), "\(fault)")
        #expect(fault.remedy?.contains("--set \(setting)=") == true)
      }
    }
  }

  @Test("An address that is not this machine's is told with its setting")
  func address() async throws {
    try await Start.run { start in
      for setting in ["listen.host", "listen.admin_host"] {
        let fault = try await start.fault([(setting, "192.0.2.1")])
        #expect(fault.problem.contains("192.0.2.1") && fault.problem.contains(setting), "\(fault)")
      }
    }
  }

  @Test("A hundred starts that fail end, leave nothing open, and the next one serves")
  func many() async throws {
    try await Start.run { start in
      try await start.once()
      let key = try PrivateFile.read(start.folder + "/tls/server.key")
      try await Self.withTakenPort { port in
        // What the libraries open once and keep is open after the first.
        for setting in ["listen.https_port", "listen.mqtt_port"] {
          _ = try await start.fault([(setting, "\(port)")])
        }
        let (files, threads) = (entries("/proc/self/fd"), entries("/proc/self/task"))
        for round in 0..<25 {
          try start.write("tls/server.key", "")
          #expect(try await start.fault().problem.contains("server.key"))
          try start.write("tls/server.key", String(decoding: key, as: UTF8.self))
          let registry = start.folder + "/registry.sqlite"
          let moved = registry + ".moved"
          try FileManager.default.moveItem(atPath: registry, toPath: moved)
          try FileManager.default.createDirectory(
            atPath: registry,
            withIntermediateDirectories: false
          )
          #expect(try await start.fault().problem.contains("registry.sqlite"))
          try FileManager.default.removeItem(atPath: registry)
          try FileManager.default.moveItem(atPath: moved, toPath: registry)
          for setting in ["listen.https_port", "listen.mqtt_port"] {
            #expect(try await start.fault([(setting, "\(port)")]).problem.contains("\(port)"))
          }
          // Others work in this process at the same time; a leak of each start would be plain.
          #expect(entries("/proc/self/fd") < files + 20, "after \(round + 1) rounds")
          #expect(entries("/proc/self/task") < threads + 20, "after \(round + 1) rounds")
        }
      }
      try await start.once()
    }
  }

  /// Runs `body` while somebody else listens on a port of 127.0.0.1.
  private static func withTakenPort(_ body: (Int) async throws -> Void) async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = try #require(listener.localAddress?.port)
    do {
      try await body(port)
    } catch {
      try await listener.close()
      throw error
    }
    try await listener.close()
  }
}
