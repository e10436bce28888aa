import AsyncHTTPClient
import ByteIO
package import EdgeEngine
import HubContract
import JSONTree
import NIOCore
import NIOHTTP1
import Platform
import Synchronization

/// Reads from container registries (OCI distribution specification 1.1): manifests and blobs, each
/// checked against its digest.
///
/// Over verified TLS; over plain HTTP with registries of this machine that speak no TLS, as engines do
/// it, and with those that the settings name.
package final class RegistryClient: Sendable {
  /// A thing in a repository, for requests and faults.
  struct Target {
    let image: ImageReference
    let credential: RegistryCredential?
    /// Behind the repository's path.
    let path: String
    var accept: [String] = []
    /// What it is about, for a person.
    let subject: String
  }

  /// A manifest as it was sent, its hash checked or made.
  package struct Manifest: Sendable {
    package let bytes: [UInt8]
    package let digest: String
  }

  private struct State {
    /// `http` or `https`, by host.
    var schemes: [String: String] = [:]
    /// Headers that a registry took, by host and repository.
    var authorizations: [String: String] = [:]
  }

  private let clients: HostClients
  private let plainHosts: Set<String>
  private let state = Mutex(State())

  /// Seconds for what is short.
  static let briefSeconds: Int64 = 20
  /// Seconds for a layer.
  private static let longSeconds: Int64 = 6 * 3600
  private static let tokenLimit = 256 << 10
  /// Entries that are remembered of each kind, before all are forgotten.
  private static let memory = 256

  /// Makes a client.
  ///
  /// - Parameters:
  ///   - clients: how registries are reached.
  ///   - plainHosts: registries that speak no TLS, each a host with its port if that is not 80.
  package init(_ clients: HostClients, plainHosts: Set<String> = []) {
    self.clients = clients
    self.plainHosts = plainHosts
  }

  // MARK: What there is

  /// The manifest at a tag or digest; nil if there is none.
  ///
  /// - Throws: `RuntimeFault`, that it cannot be had or is not what its digest says.
  package func manifest(
    of image: ImageReference,
    at name: String,
    _ credential: RegistryCredential?
  ) async throws -> Manifest? {
    let target = Target(
      image: image,
      credential: credential,
      path: "manifests/\(name)",
      accept: ImageManifest.mediaTypes,
      subject: "Reading \(name) of \(image.canonicalName)"
    )
    let response: HTTPClientResponse
    do {
      response = try await open(target)
    } catch let fault as RuntimeFault where fault.code == .notFound {
      return nil
    }
    let bytes = try await collect(response, ImageManifest.byteLimit, target)
    let digest = "sha256:" + Hex.encode(Hashing.sha256(bytes))
    guard !name.hasPrefix("sha256:") || name == digest else {
      throw RuntimeFault(
        .failed,
        "\(target.subject): what the registry sent has the digest \(digest)."
      )
    }
    return Manifest(bytes: bytes, digest: digest)
  }

  /// A small blob as a whole.
  ///
  /// - Throws: `RuntimeFault`, that it cannot be had or is not what its digest says.
  package func blob(
    _ descriptor: ImageManifest.Descriptor,
    of image: ImageReference,
    _ credential: RegistryCredential?,
    limit: Int
  ) async throws -> [UInt8] {
    let target = Self.target(descriptor, image, credential)
    guard descriptor.size <= limit else {
      throw RuntimeFault(
        .refused,
        "\(target.subject): it has \(descriptor.size) bytes, and at most \(limit) are read."
      )
    }
    let bytes = try await collect(try await open(target), limit, target)
    guard descriptor.digest == "sha256:" + Hex.encode(Hashing.sha256(bytes)) else {
      throw RuntimeFault(.failed, "\(target.subject): what the registry sent is something else.")
    }
    return bytes
  }

  /// Hands a blob to `sink` as it comes; what it has taken counts only if this does not throw.
  ///
  /// - Throws: `RuntimeFault`, that it cannot be had or is not what its digest says; and what `sink` throws.
  func read(
    _ descriptor: ImageManifest.Descriptor,
    of image: ImageReference,
    _ credential: RegistryCredential?,
    to sink: (ByteBufferView) throws -> Void
  ) async throws {
    let target = Self.target(descriptor, image, credential)
    let response = try await open(target, seconds: Self.longSeconds)
    var digest = SHA256Digest()
    var left = descriptor.size
    var parts = response.body.makeAsyncIterator()
    while true {
      let part: ByteBuffer?
      do {
        part = try await parts.next()
      } catch {
        throw Self.fault(error, target)
      }
      guard let part else { break }
      left -= Int64(part.readableBytes)
      guard left >= 0 else {
        throw RuntimeFault(.failed, "\(target.subject): it is longer than the manifest says.")
      }
      part.withUnsafeReadableBytes { digest.update($0) }
      try sink(part.readableBytesView)
    }
    guard descriptor.digest == "sha256:" + Hex.encode(digest.finalize()) else {
      throw RuntimeFault(.failed, "\(target.subject): what the registry sent is something else.")
    }
  }

  static func target(
    _ descriptor: ImageManifest.Descriptor,
    _ image: ImageReference,
    _ credential: RegistryCredential?
  ) -> Target {
    Target(
      image: image,
      credential: credential,
      path: "blobs/\(descriptor.digest)",
      subject: "Reading the blob \(descriptor.digest) of \(image.canonicalName)"
    )
  }

  private func collect(
    _ response: HTTPClientResponse,
    _ limit: Int,
    _ target: Target
  ) async throws -> [UInt8] {
    do {
      return Array(try await response.body.collect(upTo: limit).readableBytesView)
    } catch is NIOTooManyBytesError {
      throw RuntimeFault(.failed, "\(target.subject): it is longer than \(limit) bytes.")
    } catch {
      throw Self.fault(error, target)
    }
  }

  // MARK: Requests

  /// Asks for a thing, with what the registry wants to see first, and gives an answer of status 200.
  func open(
    _ target: Target,
    seconds: Int64 = RegistryClient.briefSeconds
  ) async throws -> HTTPClientResponse {
    let host = Self.host(target.image)
    let scheme = try await scheme(of: host, target)
    let repository = Self.repository(target.image)
    let url = "\(scheme)://\(host)/v2/\(repository)/\(target.path)"
    let place = "\(host)/\(repository)"
    let known = state.withLock { $0.authorizations[place] }
    var response = try await send(url, host, target, known, seconds: seconds)
    if response.status == .unauthorized {
      let header = try await authorization(response, scheme, host, repository, target)
      response = try await send(url, host, target, header, seconds: seconds)
      if response.status == .ok {
        state.withLock { state in
          if state.authorizations.count >= Self.memory { state.authorizations = [:] }
          state.authorizations[place] = header
        }
      }
    }
    guard response.status == .ok else { throw await Self.refusal(response, host, target) }
    return response
  }

  private func send(
    _ url: String,
    _ host: String,
    _ target: Target,
    _ authorization: String?,
    seconds: Int64
  ) async throws -> HTTPClientResponse {
    var request = HTTPClientRequest(url: url)
    for type in target.accept { request.headers.add(name: "Accept", value: type) }
    if let authorization { request.headers.add(name: "Authorization", value: authorization) }
    do {
      return try await clients.client(for: host).execute(request, timeout: .seconds(seconds))
    } catch {
      throw Self.fault(error, target)
    }
  }

  /// `https`, but for registries that the settings name, and for those of this machine that speak no TLS.
  private func scheme(of host: String, _ target: Target) async throws -> String {
    if plainHosts.contains(host) { return "http" }
    guard Self.isLoopback(host) else { return "https" }
    if let scheme = state.withLock({ $0.schemes[host] }) { return scheme }
    let found: String
    do {
      _ = try await send("https://\(host)/v2/", host, target, nil, seconds: Self.briefSeconds)
      found = "https"
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      // Nobody there is no word about TLS.
      _ = try await send("http://\(host)/v2/", host, target, nil, seconds: Self.briefSeconds)
      found = "http"
    }
    state.withLock { state in
      if state.schemes.count >= Self.memory { state.schemes = [:] }
      state.schemes[host] = found
    }
    return found
  }

  // MARK: Who asks

  /// The header that answers what the registry asked for.
  private func authorization(
    _ response: HTTPClientResponse,
    _ scheme: String,
    _ host: String,
    _ repository: String,
    _ target: Target
  ) async throws -> String {
    let challenges = response.headers["WWW-Authenticate"].compactMap { RegistryChallenge($0) }
    _ = try? await response.body.collect(upTo: Self.tokenLimit)
    let basic = target.credential.map {
      "Basic " + Base64.encode(Array("\($0.username):\($0.password)".utf8))
    }
    for case .bearer(let realm, let service, let scope) in challenges {
      return try await token(
        realm,
        [("service", service), ("scope", scope ?? "repository:\(repository):pull")],
        basic,
        isPlain: scheme == "http",
        target
      )
    }
    guard challenges.contains(.basic), let basic else {
      throw RuntimeFault(
        .refused,
        "\(target.subject): the registry \(host) wants "
          + (challenges.isEmpty
            ? "a proof that is not known here." : "user and password. Add them ")
          + (challenges.isEmpty ? "" : "to runtime.settings.registryCredentials of the deployment.")
      )
    }
    return basic
  }

  private func token(
    _ realm: String,
    _ parameters: [(name: String, value: String?)],
    _ basic: String?,
    isPlain: Bool,
    _ target: Target
  ) async throws -> String {
    // What is sent there may be a password.
    guard realm.hasPrefix("https://") || (isPlain && realm.hasPrefix("http://")) else {
      throw RuntimeFault(.refused, "\(target.subject): the registry gives tokens without TLS only.")
    }
    var url = realm
    for case (let name, let value?) in parameters {
      url += (url.contains("?") ? "&" : "?") + "\(name)=\(PercentCoding.encode(value))"
    }
    let authority = realm.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first
    let request = Target(
      image: target.image,
      credential: nil,
      path: "",
      subject: "\(target.subject), getting a token"
    )
    let host = authority.map(String.init) ?? ""
    let response = try await send(url, host, request, basic, seconds: Self.briefSeconds)
    guard response.status == .ok else { throw await Self.refusal(response, host, request) }
    let bytes = try await collect(response, Self.tokenLimit, request)
    let json = try? JSON.parse(bytes)
    guard let token = (json?["token"] ?? json?["access_token"])?.stringValue, !token.isEmpty,
      token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw RuntimeFault(.failed, "\(request.subject): the answer holds no token.") }
    return "Bearer " + token
  }

  // MARK: Names

  private static func host(_ image: ImageReference) -> String {
    guard let registry = image.registry, !image.canonicalName.hasPrefix("docker.io/") else {
      return "registry-1.docker.io"
    }
    return registry
  }

  /// The path in the registry.
  private static func repository(_ image: ImageReference) -> String {
    image.canonicalName.hasPrefix("docker.io/library/")
      ? String(image.canonicalName.dropFirst("docker.io/".count)) : image.repository
  }

  private static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host.hasPrefix("localhost:") || host.hasPrefix("127.")
      || host.hasPrefix("[::1]")
  }

  // MARK: Faults

  private static func refusal(
    _ response: HTTPClientResponse,
    _ host: String,
    _ target: Target
  ) async -> RuntimeFault {
    let body = try? await response.body.collect(upTo: 64 << 10)
    let errors = body.flatMap { try? JSON.parse(Array($0.readableBytesView)) }?["errors"]
    let text = errors?.arrayValue?.first?["message"]?.stringValue
    let code: RuntimeFault.Code =
      switch response.status.code {
      case 404: .notFound
      case 400..<500: .refused
      default: .failed
      }
    return RuntimeFault(
      code,
      "\(target.subject): the registry \(host) answers \(response.status.code)"
        + (text.map { ", \($0.prefix(200))." } ?? ".")
    )
  }

  static func fault(_ error: any Error, _ target: Target) -> any Error {
    if error is CancellationError || error is RuntimeFault { return error }
    let host = host(target.image)
    if let error = error as? HTTPClientError {
      switch error {
      case .cancelled: return CancellationError()
      case .deadlineExceeded, .readTimeout, .connectTimeout:
        return RuntimeFault(.timedOut, "\(target.subject): the registry \(host) does not answer.")
      default:
        return RuntimeFault(
          .unreachable,
          "\(target.subject): the registry \(host) cannot be reached: \(error.shortDescription)."
        )
      }
    }
    return RuntimeFault(
      .unreachable,
      "\(target.subject): the registry \(host) cannot be reached: \(error)"
    )
  }
}
