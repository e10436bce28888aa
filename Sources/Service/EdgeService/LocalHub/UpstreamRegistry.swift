import HubContract
import JSONTree
import Platform

/// The registry of the hub above over HTTPS, asked as `$edgeHub`.
final class UpstreamRegistry: RegistryAbove {
  private let client: CloudClient
  private let credentials: any UpstreamCredentials
  private let base: String
  private let edgeHub: String

  /// - Throws: `SettingsFault` for what it can't speak TLS with.
  init(options: LocalHubOptions, credentials: any UpstreamCredentials) throws {
    self.credentials = credentials
    let port = options.upstreamHTTPSPort == 443 ? "" : ":\(options.upstreamHTTPSPort)"
    base = "https://\(options.identity.upstreamHostName)\(port)"
    edgeHub = options.identity.edgeHub.clientID
    client = try CloudClient(
      authorities: options.upstreamAuthorityFiles,
      identity: nil,
      proxy: options.proxy,
      seconds: 20,
      retries: 1,
      saw: { _ in }
    )
  }

  func get(_ path: String) async throws -> JSONValue { try await send("GET", path, nil, nil) }

  func post(_ path: String, _ body: JSONValue, ifMatch: String?) async throws -> JSONValue {
    try await send("POST", path, body, ifMatch)
  }

  func close() async { await client.close() }

  private func send(
    _ method: String,
    _ path: String,
    _ body: JSONValue?,
    _ ifMatch: String?
  ) async throws -> JSONValue {
    let token = try await credentials.token().text
    let answer: CloudClient.Answer
    do throws(CloudClient.Failure) {
      answer = try await client.send(
        method,
        base + path,
        headers: [("Authorization", token), ("x-ms-edge-moduleId", edgeHub)]
          + (ifMatch.map { [("If-Match", $0)] } ?? []),
        body: body
      )
    } catch {
      throw RegistryFault.unavailable(error.description)
    }
    switch answer.status {
    case 200..<300: return answer.body
    case 408, 429, 500...: throw RegistryFault.unavailable(answer.message)
    default: throw RegistryFault.refused(status: answer.status, answer.message)
    }
  }
}
