package import Containers
package import Endpoints
import Glibc
package import JSONTree
import NIOPosix
package import Platform

/// This machine, as checks see it.
package struct BoxPorts: CheckPorts {
  package let variables: [String: String]
  private let paths: EdgePaths

  /// Bytes of a file that checks look at.
  private static let fileLimit = 1 << 20

  package init(paths: EdgePaths, variables: [String: String]) {
    (self.paths, self.variables) = (paths, variables)
  }

  package var ownAddresses: [String] { SystemName.addresses() }

  package func now() -> Int64 { SystemClock.wallMilliseconds() / 1_000 }

  package func read(_ path: String) throws(FileFault) -> [UInt8] {
    try PrivateFile.read(path, limit: Self.fileLimit)
  }

  package func changed(_ path: String) -> Int64? {
    var facts = stat()
    return stat(path, &facts) == 0 ? Int64(facts.st_mtim.tv_sec) : nil
  }

  package func fileSystem(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    guard let table = try? read("/proc/self/mountinfo") else { return nil }
    return Self.fileSystem(of: String(cString: real), in: String(decoding: table, as: UTF8.self))
  }

  /// The kind of the file system that a path is on, by a text such as that of `/proc/self/mountinfo`
  /// (proc_pid_mountinfo(5)); of several at one place the last counts.
  package static func fileSystem(of path: String, in table: String) -> String? {
    var best: (place: Substring, kind: Substring)?
    for line in table.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 6, let mark = fields[6...].firstIndex(of: "-"), mark + 1 < fields.count
      else { continue }
      let place = fields[4]
      guard place == "/" || path == place || path.hasPrefix(place + "/"),
        place.utf8.count >= best?.place.utf8.count ?? 0
      else { continue }
      best = (place, fields[mark + 1])
    }
    return best.map { String($0.kind) }
  }

  package func variables(of processID: Int64) -> [String: String]? {
    guard let bytes = try? read("/proc/\(processID)/environ") else { return nil }
    var variables: [String: String] = [:]
    for entry in bytes.split(separator: 0) {
      let parts = entry.split(separator: UInt8(ascii: "="), maxSplits: 1)
      guard let name = parts.first else { continue }
      variables[String(decoding: name, as: UTF8.self)] =
        parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : ""
    }
    return variables
  }

  package func supervisor() throws(SupervisorClient.Failure) -> JSONValue {
    try SupervisorClient.ask(.status, at: paths.supervisorSocket)
  }

  package func ask(
    _ socket: String,
    _ path: [String]
  ) async throws(LocalClient.Failure) -> JSONValue {
    let client = LocalClient(.unix(path: socket))
    do throws(LocalClient.Failure) {
      let answer = try await client.call("GET", path)
      await client.close()
      return answer
    } catch {
      await client.close()
      throw error
    }
  }

  // MARK: Network

  package func addresses(of host: String) async throws(CheckFault) -> [String] {
    try await Self.onThread { () throws(CheckFault) in try Self.resolve(host) }
  }

  package func clockError(_ server: String) async throws(CheckFault) -> Double {
    try await Self.onThread { () throws(CheckFault) in try TimeServer(server).clockError() }
  }

  package func connect(_ place: CheckPlace, _ settings: EdgeSettings) async throws(CheckFault) {
    do {
      var authorities: [UInt8] = []
      for file in settings.upstreamAuthorities + place.authorities {
        authorities += try PrivateFile.read(file) + [0x0A]
      }
      let proxy =
        try place.proxyURI.map { try HTTPProxy($0) }
        ?? settings.proxy(variables, for: place.host)
      let way = ClientWay(
        host: place.host,
        port: place.port,
        tls: try ClientTLS(
          trustAnchorsPEM: authorities.isEmpty ? nil : authorities,
          trustsSystem: true
        ),
        proxy: proxy
      )
      try await ConnectionProbe.run(way)
    } catch {
      throw CheckFault("\(error)")
    }
  }

  private static func resolve(_ host: String) throws(CheckFault) -> [String] {
    var list: UnsafeMutablePointer<addrinfo>?
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    let status = getaddrinfo(host, nil, &hints, &list)
    guard status == 0 else { throw CheckFault(String(cString: gai_strerror(status))) }
    defer { freeaddrinfo(list) }
    var found: [String] = []
    var next = list
    while let entry = next {
      var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      let length = socklen_t(buffer.count)
      let info = entry.pointee
      if getnameinfo(info.ai_addr, info.ai_addrlen, &buffer, length, nil, 0, NI_NUMERICHOST) == 0 {
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let text = String(decoding: bytes, as: UTF8.self)
        if !found.contains(text) { found.append(text) }
      }
      next = info.ai_next
    }
    return found
  }

  /// Runs what blocks on a thread that may be blocked.
  private static func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CheckFault) -> Value
  ) async throws(CheckFault) -> Value {
    let result: Result<Value, CheckFault>
    do {
      result = try await NIOThreadPool.singleton.runIfActive {
        do throws(CheckFault) { return .success(try body()) } catch { return .failure(error) }
      }
    } catch {
      throw CheckFault("\(error)")
    }
    return try result.get()
  }

  // MARK: The engine

  package func engine(
    _ question: DockerRuntime.Question,
    _ settings: EdgeSettings
  ) async throws(RuntimeFault) -> JSONValue {
    if let crun = settings.containerEngine.crunPath {
      guard question == .version else {
        throw RuntimeFault(.refused, "Modules are run by crun, which is no engine.")
      }
      return ["Version": .string(try CrunRuntime.version(of: crun))]
    }
    return try await withEngine(settings) { try await $0.ask(question) }
  }

  package func trial(
    _ trial: DockerRuntime.Trial,
    _ settings: EdgeSettings
  ) async throws(RuntimeFault) -> (code: Int64, output: String) {
    try await withEngine(settings) { try await $0.run(trial) }
  }

  private func withEngine<Value>(
    _ settings: EdgeSettings,
    _ body: (DockerRuntime) async throws -> Value
  ) async throws(RuntimeFault) -> Value {
    let engine = DockerRuntime(
      address: settings.containerEngine.address,
      networkID: settings.containerEngine.network
    )
    do {
      let value = try await body(engine)
      await engine.close()
      return value
    } catch {
      await engine.close()
      throw error as? RuntimeFault ?? RuntimeFault(.failed, "\(error)")
    }
  }
}
