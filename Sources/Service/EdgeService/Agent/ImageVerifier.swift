import ByteIO
package import Containers
package import EdgeEngine
import HubContract
import JSONTree
package import Platform

/// Decides whether an image may be run: whether it is what the deployment pins it to, and signed where
/// the settings ask for that.
///
/// A signature that was found good is kept with what it signs, so that a start without network needs
/// no registry. What is kept is verified anew each time: a file that somebody wrote proves nothing,
/// and neither does one for a key that is no longer trusted.
package struct ImageVerifier: Sendable {
  private let policy: SignaturePolicy
  private let keys: [String: SignatureKey]
  private let registry: RegistryClient?
  private let folder: String

  /// Seconds for the reading of a signature; a module's start may wait for it.
  private static let fetchSeconds: Int64 = 30
  /// Digests of one image that are looked at; it has one for each way that it was fetched.
  private static let digestLimit = 8

  /// Verifies digests alone.
  package init() {
    policy = SignaturePolicy()
    keys = [:]
    registry = nil
    folder = ""
  }

  /// Verifies signatures too.
  ///
  /// - Parameters:
  ///   - rules: which images must be signed; their keys are files.
  ///   - parentHostName: what `$upstream` stands for.
  ///   - registry: where signatures are read.
  ///   - folder: where good ones are kept.
  /// - Throws: `SettingsFault` for a file that holds no key.
  package init(
    rules: [SignaturePolicy.Rule],
    parentHostName: String?,
    registry: RegistryClient,
    folder: String
  ) throws(SettingsFault) {
    policy = SignaturePolicy(rules, parentHostName: parentHostName)
    var keys: [String: SignatureKey] = [:]
    for path in rules.flatMap(\.keys) where keys[path] == nil {
      keys[path] = try Self.key(path)
    }
    self.keys = keys
    self.registry = registry
    self.folder = folder
  }

  private static func key(_ path: String) throws(SettingsFault) -> SignatureKey {
    let bytes: [UInt8]
    do throws(FileFault) {
      bytes = try PrivateFile.read(path, limit: 64 << 10)
    } catch {
      throw SettingsFault("image_signatures: \(error)", remedy: error.remedy)
    }
    guard let key = SignatureKey(pem: String(decoding: bytes, as: UTF8.self)) else {
      throw SettingsFault(
        "image_signatures: \(path) holds no public key that can be used",
        remedy: "It must be a PUBLIC KEY in PEM of ECDSA (P-256, P-384), RSA from 2048 bits on, or "
          + "Ed25519; cosign writes it to cosign.pub."
      )
    }
    return key
  }

  // MARK: Images

  /// Decides about the image that a module is to be made of.
  ///
  /// - Returns: what the module is to be made of: where a digest matters, a name that nothing else can
  ///   be put under.
  /// - Throws: `RuntimeFault`, why the image is not run and how to mend that.
  package func admit(_ source: ImageSource, on runtime: any ModuleRuntime) async throws -> String {
    let reference = source.reference
    let rule = rule(for: reference)
    guard reference.digest != nil || rule != nil else { return reference.description }
    let (image, name) = try await stored(reference, runtime)
    guard let rule else { return name }
    let digest = try await verify(image, source, rule)
    return name == image.id ? name : reference.pinned(to: digest).description
  }

  /// Decides about the image, told by its hash, that a module was made of earlier.
  package func admit(
    made hash: String,
    of source: ImageSource,
    on runtime: any ModuleRuntime
  ) async throws {
    guard let rule = rule(for: source.reference) else { return }
    guard let image = try await runtime.image(hash) else {
      throw RuntimeFault(
        .notFound,
        "The image \(source.reference) that the module was made of is no longer here."
      )
    }
    _ = try await verify(image, source, rule)
  }

  private func rule(for reference: ImageReference) -> SignaturePolicy.Rule? {
    policy.rule(for: reference).flatMap { $0.isRequired ? $0 : nil }
  }

  /// The image that is meant, and a name that leads to it.
  private func stored(
    _ reference: ImageReference,
    _ runtime: any ModuleRuntime
  ) async throws -> (image: StoredImage, name: String) {
    guard let digest = reference.digest else {
      guard let image = try await runtime.image(reference.description) else {
        throw RuntimeFault(.notFound, "There is no image \(reference) on this machine.")
      }
      return (image, reference.description)
    }
    let pinned = reference.pinned(to: digest).description
    if let image = try await runtime.image(pinned) { return (image, pinned) }
    // One that came by no registry is known by its own hash alone.
    if let image = try await runtime.image(digest), image.id == digest { return (image, image.id) }
    let named = try await runtime.image(Self.withoutDigest(reference))
    let found = named.map { $0.digests(in: reference) + [$0.id] } ?? []
    throw RuntimeFault(
      .refused,
      "The deployment pins the image \(reference) to a digest, and this machine has "
        + (found.isEmpty
          ? "no such image." : "another image of that name: \(found.joined(separator: ", ")).")
        + " Push the image that is meant to its registry, or deploy the digest of the one that is "
        + "there."
    )
  }

  private static func withoutDigest(_ reference: ImageReference) -> String {
    String(reference.description.prefix { $0 != "@" })
  }

  // MARK: Signatures

  /// The digest of `image` that is signed as `rule` asks for.
  private func verify(
    _ image: StoredImage,
    _ source: ImageSource,
    _ rule: SignaturePolicy.Rule
  ) async throws -> String {
    let isFetched = source.reference.layoutPath == nil
    let known =
      isFetched ? image.digests(in: source.reference).filter(ImageReference.isSHA256) : []
    // One that the deployment names is the only one that is meant.
    let digests =
      known.contains { $0 == source.reference.digest }
      ? known.filter { $0 == source.reference.digest } : known
    var reason = "it came from no registry, where its signature would be"
    for digest in digests.prefix(Self.digestLimit) {
      do {
        try await verify(digest, source, rule)
        return digest
      } catch let fault as ImageFault {
        reason = fault.description
      } catch let fault as RuntimeFault {
        let text = fault.description
        reason =
          "its signature cannot be had: " + (text.hasSuffix(".") ? text.dropLast() : text[...])
      }
    }
    let name = digests.first.map { source.reference.pinned(to: $0).description }
    throw RuntimeFault(
      .refused,
      "The image \(source.reference) is not run: \(reason). image_signatures."
        + "\"\(rule.name)\" asks for a signature by \(rule.keys.joined(separator: " or ")). Sign it "
        + "(cosign sign --key KEY \(name ?? "NAME@DIGEST")), or change that setting."
    )
  }

  private func verify(
    _ digest: String,
    _ source: ImageSource,
    _ rule: SignaturePolicy.Rule
  ) async throws {
    if let kept = read(digest), (try? check(kept, digest, source, rule)) != nil { return }
    let signature = try await Self.within(Self.fetchSeconds, "\(source.reference)") {
      try await fetch(digest, source, rule)
    }
    do throws(FileFault) {
      try PrivateFile.makeDirectory(folder)
      try PrivateFile.replace(path(digest), with: JSON.bytes(Self.json(signature, source, digest)))
    } catch {
      // The next start without network would fail; better to hear of it now.
      throw RuntimeFault(.failed, "The signature of \(source.reference) cannot be kept: \(error).")
    }
  }

  /// Whether a signature is by one of the rule's keys, and about this image.
  private func check(
    _ signature: ImageSignature,
    _ digest: String,
    _ source: ImageSource,
    _ rule: SignaturePolicy.Rule
  ) throws(ImageFault) {
    // First who says it, and then what.
    let isTrusted = rule.keys.compactMap { keys[$0] }
      .contains { $0.isValid(signature.signature, for: signature.payload) }
    guard isTrusted else { throw .untrusted }
    try signature.check(
      digest: digest,
      repository: rule.checksName ? source.reference.repository : nil
    )
  }

  /// The first good signature that the image's repository has.
  private func fetch(
    _ digest: String,
    _ source: ImageSource,
    _ rule: SignaturePolicy.Rule
  ) async throws -> ImageSignature {
    guard let registry else { throw ImageFault.missing }
    let tag = ImageSignature.tag(of: digest)
    let (image, credential) = (source.reference, source.credential)
    guard let manifest = try await registry.manifest(of: image, at: tag, credential) else {
      throw ImageFault.missing
    }
    var fault = ImageFault.missing
    for layer in try ImageSignature.layers(try ImageManifest(manifest.bytes)) {
      let payload = try await registry.blob(
        layer.payload,
        of: image,
        credential,
        limit: ImageSignature.payloadLimit
      )
      let signature = ImageSignature(payload: payload, signature: layer.signature)
      do throws(ImageFault) {
        try check(signature, digest, source, rule)
        return signature
      } catch {
        fault = error
      }
    }
    throw fault
  }

  private static func within<Result: Sendable>(
    _ seconds: Int64,
    _ subject: String,
    _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await Pause.sleep(for: .seconds(seconds))
        throw RuntimeFault(.timedOut, "\(subject): the registry took more than \(seconds) seconds")
      }
      defer { group.cancelAll() }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }

  // MARK: What is kept

  private func path(_ digest: String) -> String {
    "\(folder)/\(digest.dropFirst("sha256:".count)).json"
  }

  private func read(_ digest: String) -> ImageSignature? {
    guard let bytes = try? PrivateFile.read(path(digest), limit: 256 << 10),
      let json = try? JSON.parse(bytes),
      let payload = json["payload"]?.stringValue.flatMap({ Base64.decode($0) }),
      let signature = json["signature"]?.stringValue.flatMap({ Base64.decode($0) })
    else { return nil }
    return ImageSignature(payload: payload, signature: signature)
  }

  private static func json(
    _ signature: ImageSignature,
    _ source: ImageSource,
    _ digest: String
  ) -> JSONValue {
    [
      "image": .string(source.reference.pinned(to: digest).description),
      "verified": .string(ModuleAgent.now().iso8601),
      "payload": .string(Base64.encode(signature.payload)),
      "signature": .string(Base64.encode(signature.signature)),
    ]
  }

  /// Forgets the signatures of images that are no longer on this machine.
  func keepOnly(_ images: [StoredImage]) {
    let known = Set(images.flatMap(\.names).compactMap { ImageReference($0)?.digest })
    for entry in (try? PrivateFile.entries(of: folder)) ?? [] where entry.name.hasSuffix(".json") {
      let digest = "sha256:" + entry.name.dropLast(".json".count)
      if !known.contains(digest) { PrivateFile.removeTree(path(digest)) }
    }
  }
}
