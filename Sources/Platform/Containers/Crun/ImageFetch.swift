import ByteIO
import EdgeEngine
import Glibc
import JSONTree
import NIOCore
import NIOPosix
import Platform

/// The fetching of one image into a store, from a registry or from a folder in the OCI image layout;
/// every part is checked against its digest.
struct ImageFetch {
  let source: ImageSource
  let store: ImageStore
  let registry: RegistryClient
  let progress: @Sendable (PullProgress) -> Void

  private var image: ImageReference { source.reference }

  /// Indexes that may lie within each other.
  private static let depthLimit = 3
  /// The annotation of a folder's index that holds a name.
  private static let nameAnnotation = "org.opencontainers.image.ref.name"

  /// Fetches what is missing, and puts the image on the list.
  ///
  /// - Throws: `RuntimeFault`, `FileFault`.
  func run() async throws {
    do {
      try await store.whileFetching { try await fetch() }
    } catch let fault as ImageFault {
      throw RuntimeFault(.failed, "Fetching \(image): \(fault).")
    } catch let fault as FileFault {
      throw RuntimeFault(.failed, "Fetching \(image): \(fault).")
    } catch let fault as JSONFault {
      throw RuntimeFault(.failed, "Fetching \(image): its configuration is no JSON, \(fault).")
    }
  }

  private func fetch() async throws {
    let top = try await topManifest()
    var manifest = top
    var parts = try ImageManifest(manifest.bytes)
    var depth = 0
    while case .index(let entries) = parts {
      depth += 1
      guard depth < Self.depthLimit else { throw refused("its indexes lie too deep") }
      let entry = try Self.choose(entries, for: image)
      manifest = try await read(at: entry.digest)
      parts = try ImageManifest(manifest.bytes)
    }
    guard case .image(let config, let layers) = parts else { return }
    guard config.size <= Int64(ImageStore.configurationLimit),
      layers.allSatisfy({ $0.size <= ImageStore.layerLimit }),
      layers.reduce(0, { $0 + $1.size }) <= ImageStore.imageLimit
    else { throw refused("it is larger than is allowed") }
    var names = [image.pinned(to: top.digest).description]
    if image.digest == nil { names.insert(image.description, at: 0) }
    if manifest.digest != top.digest {
      names.append(image.pinned(to: manifest.digest).description)
    }
    let known = store.image(config.digest)
    if var known, layers.allSatisfy(store.has), store.has(config) {
      (known.names, known.manifest) = (names, manifest.digest)
      return try store.add(known)
    }
    let configuration = try await smallBlob(config)
    try await store.put(config.digest) { file, path in
      try PrivateFile.write(configuration.span, to: file, at: path)
    }
    try await store.put(manifest.digest) { [bytes = manifest.bytes] file, path in
      try PrivateFile.write(bytes.span, to: file, at: path)
    }
    let found = try Self.layers(layers, try JSON.parse(configuration), image)
    try await fetch(layers)
    let stored = ImageStore.Image(
      id: config.digest,
      manifest: manifest.digest,
      layers: found,
      names: names,
      byteCount: layers.reduce(config.size) { $0 + $1.size }
    )
    let files = store.layers(of: stored)
    // Long work, which must not keep others waiting.
    try await NIOThreadPool.singleton.runIfActive {
      var budget = LayerUnpacker.Budget()
      for file in files { try LayerUnpacker.check(file, &budget) }
    }
    try store.add(stored)
  }

  /// The entry of an index that is for this machine.
  private static func choose(
    _ entries: [ImageManifest.Descriptor],
    for image: ImageReference
  ) throws -> ImageManifest.Descriptor {
    let own = ImageManifest.Platform.own
    let fitting = entries.filter {
      guard let platform = $0.platform else { return entries.count == 1 }
      return platform.os == own.os && platform.architecture == own.architecture
    }
    guard let found = fitting.first(where: { $0.platform?.variant == own.variant }) ?? fitting.first
    else {
      throw RuntimeFault(
        .notFound,
        "Fetching \(image): it has no image for \(own.os) on \(own.architecture)."
      )
    }
    return found
  }

  /// The layers with the digests of their content, which the configuration tells.
  private static func layers(
    _ layers: [ImageManifest.Descriptor],
    _ configuration: JSONValue,
    _ image: ImageReference
  ) throws -> [ImageStore.Image.Layer] {
    let own = ImageManifest.Platform.own.architecture
    if let other = configuration["architecture"]?.stringValue, !other.isEmpty, other != own {
      throw RuntimeFault(
        .refused,
        "Fetching \(image): it is for \(other), and this machine is \(own)."
      )
    }
    let contents = configuration["rootfs"]?["diff_ids"]?.arrayValue?.compactMap(\.stringValue) ?? []
    guard contents.count == layers.count else {
      throw RuntimeFault(
        .refused,
        "Fetching \(image): its configuration tells of \(contents.count) layers, and its manifest of "
          + "\(layers.count)."
      )
    }
    return zip(layers, contents)
      .map { ImageStore.Image.Layer(digest: $0.digest, contentDigest: $1) }
  }

  private func fetch(_ layers: [ImageManifest.Descriptor]) async throws {
    var state = PullProgress(layers: layers.count)
    state.totalBytes = layers.reduce(0) { $0 + $1.size }
    for layer in layers {
      if !store.has(layer) {
        let before = state
        try await store.put(layer.digest) { file, path in
          var state = before
          try await read(layer) { bytes in
            try PrivateFile.write(bytes.span, to: file, at: path)
            state.bytes += Int64(bytes.count)
            progress(state)
          }
        }
      }
      state.doneLayers += 1
      state.bytes += layer.size
      progress(state)
    }
  }

  private func refused(_ reason: String) -> RuntimeFault {
    RuntimeFault(.refused, "Fetching \(image): \(reason).")
  }

  // MARK: Registry or folder

  private func topManifest() async throws -> RegistryClient.Manifest {
    if let digest = image.digest { return try await read(at: digest) }
    guard let folder = image.layoutPath else { return try await read(at: image.tag ?? "latest") }
    let bytes = try PrivateFile.read(folder + "/index.json", limit: ImageManifest.byteLimit)
    guard case .index(let entries) = try ImageManifest(bytes) else {
      throw refused("\(folder)/index.json is no index")
    }
    let tag = image.tag ?? "latest"
    let named = entries.first { entry in
      let name = entry.annotations[Self.nameAnnotation]
      return name == tag || name?.hasSuffix(":" + tag) == true
    }
    // A folder with one image needs no name.
    let only = tag == "latest" && entries.count == 1 ? entries.first : nil
    guard let entry = named ?? only else {
      let names = entries.compactMap { $0.annotations[Self.nameAnnotation] }.joined(separator: ", ")
      throw RuntimeFault(
        .notFound,
        "Fetching \(image): \(folder)/index.json has no image of that name, but: \(names)."
      )
    }
    return try await read(at: entry.digest)
  }

  /// The manifest at a tag or digest.
  private func read(at name: String) async throws -> RegistryClient.Manifest {
    if let folder = image.layoutPath {
      guard ImageReference.isSHA256(name) else { throw refused("\(name) is no SHA-256 digest") }
      let bytes = try PrivateFile.read(Self.path(name, folder), limit: ImageManifest.byteLimit)
      try check(bytes, name)
      return RegistryClient.Manifest(bytes: bytes, digest: name)
    }
    guard let found = try await registry.manifest(of: image, at: name, source.credential) else {
      throw RuntimeFault(.notFound, "Fetching \(image): the registry has no \(name) of it.")
    }
    return found
  }

  private func smallBlob(_ descriptor: ImageManifest.Descriptor) async throws -> [UInt8] {
    let limit = ImageStore.configurationLimit
    guard let folder = image.layoutPath else {
      return try await registry.blob(descriptor, of: image, source.credential, limit: limit)
    }
    let bytes = try PrivateFile.read(Self.path(descriptor.digest, folder), limit: limit)
    try check(bytes, descriptor.digest)
    return bytes
  }

  /// Hands a layer to `sink` as it comes; what it has taken counts only if this does not throw.
  private func read(
    _ descriptor: ImageManifest.Descriptor,
    to sink: ([UInt8]) throws -> Void
  ) async throws {
    guard let folder = image.layoutPath else {
      return try await registry.read(descriptor, of: image, source.credential) { bytes in
        try sink(Array(bytes))
      }
    }
    let path = Self.path(descriptor.digest, folder)
    // A pipe in a file's place must not keep the thread.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw FileFault("open", path) }
    defer { close(file) }
    var information = stat()
    guard fstat(file, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
      Int64(information.st_size) == descriptor.size
    else { throw refused("\(path) is no file of \(descriptor.size) bytes") }
    var digest = SHA256Digest()
    var portion = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = Glibc.read(file, &portion, portion.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileFault("read", path) }
      if count == 0 { break }
      let bytes = Array(portion[..<count])
      bytes.withUnsafeBytes { digest.update($0) }
      try sink(bytes)
      await Task.yield()
    }
    try check("sha256:" + Hex.encode(digest.finalize()), descriptor.digest)
  }

  private static func path(_ digest: String, _ folder: String) -> String {
    folder + "/blobs/sha256/" + digest.dropFirst("sha256:".count)
  }

  private func check(_ bytes: [UInt8], _ digest: String) throws {
    try check("sha256:" + Hex.encode(Hashing.sha256(bytes)), digest)
  }

  private func check(_ found: String, _ digest: String) throws {
    guard found == digest else {
      throw refused("its folder has something else at the digest \(digest)")
    }
  }
}

extension ImageManifest.Platform {
  /// This machine, in the words of registries.
  static var own: ImageManifest.Platform {
    let machine = RuntimePlatform.kernel.architecture
    let (architecture, variant): (String, String?) =
      switch machine {
      case "x86_64": ("amd64", nil)
      case "aarch64": ("arm64", nil)
      case "armv7l": ("arm", "v7")
      case "armv6l": ("arm", "v6")
      case "i386", "i686": ("386", nil)
      default: (machine, nil)
      }
    return ImageManifest.Platform(os: "linux", architecture: architecture, variant: variant)
  }
}
