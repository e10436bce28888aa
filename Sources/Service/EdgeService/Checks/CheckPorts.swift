package import Containers
package import Endpoints
package import JSONTree
package import Platform

/// What checks see of the machine.
///
/// None of it changes anything, and each call ends within some seconds.
package protocol CheckPorts: Sendable {
  /// The variables of the command's environment.
  var variables: [String: String] { get }

  /// The addresses of this machine.
  var ownAddresses: [String] { get }

  /// Seconds since 1970 by this machine's clock.
  func now() -> Int64

  /// A file of at most 1 MiB.
  func read(_ path: String) throws(FileFault) -> [UInt8]

  /// When a file was changed, seconds since 1970; nil if that cannot be told.
  func changed(_ path: String) -> Int64?

  /// Which kind of file system a path is on, as mount(8) calls it; nil if that cannot be told.
  func fileSystem(_ path: String) -> String?

  /// The variables of another process, nil if this user may not know.
  func variables(of processID: Int64) -> [String: String]?

  /// How the supervisor's processes are.
  func supervisor() throws(SupervisorClient.Failure) -> JSONValue

  /// Asks one of the edge's own sockets.
  func ask(_ socket: String, _ path: [String]) async throws(LocalClient.Failure) -> JSONValue

  /// The addresses of a host.
  func addresses(of host: String) async throws(CheckFault) -> [String]

  /// How many seconds this machine's clock is behind that of a time server.
  func clockError(_ server: String) async throws(CheckFault) -> Double

  /// Connects with TLS, verifies the other side, and closes.
  func connect(_ place: CheckPlace, _ settings: EdgeSettings) async throws(CheckFault)

  /// Asks the container engine.
  func engine(
    _ question: DockerRuntime.Question,
    _ settings: EdgeSettings
  ) async throws(RuntimeFault) -> JSONValue

  /// Runs a container until it ends: its exit code, and the end of what it wrote.
  func trial(
    _ trial: DockerRuntime.Trial,
    _ settings: EdgeSettings
  ) async throws(RuntimeFault) -> (code: Int64, output: String)
}

/// Where a check connects to.
package struct CheckPlace: Equatable, Sendable {
  package let host: String
  package let port: Int
  /// `http://…`, nil for the environment's.
  package let proxyURI: String?
  /// PEM files with what it is trusted by, besides the authorities of the hub above.
  package let authorities: [String]

  package init(host: String, port: Int, proxyURI: String? = nil, authorities: [String] = []) {
    (self.host, self.port, self.proxyURI) = (host, port, proxyURI)
    self.authorities = authorities
  }
}

/// Why a port of the checks has no answer, in words for people.
package struct CheckFault: Error, Equatable, Sendable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}
