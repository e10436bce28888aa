import ByteIO
import EdgeEngine
import Glibc
import HubContract
import JSONTree
package import Platform
import Synchronization

/// Images in a folder of the edge: their parts by digest (`blobs/sha256/…`, as in the OCI image layout), and a
/// list of which belong together.
package final class ImageStore: Sendable {
  /// One image.
  struct Image: Equatable {
    /// The digest of its configuration, by which engines know images.
    var id: String
    /// The digest of its manifest.
    var manifest: String
    /// Its layers, the lowest first.
    var layers: [Layer]
    /// The names that lead to it.
    var names: [String]
    var byteCount: Int64

    struct Layer: Equatable {
      /// The digests of what is stored, and of what is in it.
      var digest, contentDigest: String
    }
  }

  /// The longest configuration, in bytes, the largest layer, and all layers of an image as they come.
  static let configurationLimit = 4 << 20
  static let layerLimit: Int64 = 16 << 30
  static let imageLimit: Int64 = 32 << 30
  private static let temporary = "new-"

  private let root: String
  private struct State {
    var images: [Image]
    /// Images that are being fetched: parts of them are on no list yet.
    var fetches = 0
  }

  private let state: Mutex<State>

  /// Opens the store in a folder, which is made if it is not there.
  ///
  /// - Throws: `FileFault`. A list that cannot be read is begun anew: images can be fetched again.
  package init(root: String) throws(FileFault) {
    self.root = root
    try PrivateFile.makeDirectory(root + "/blobs/sha256")
    let bytes = (try? PrivateFile.read(root + "/images.json")) ?? []
    let json = try? JSON.parse(bytes, limits: .stored)
    state = Mutex(State(images: (json?["images"]?.arrayValue ?? []).compactMap { Image($0) }))
    // What a power cut left half.
    for entry in try PrivateFile.entries(of: root) where entry.name.hasPrefix(Self.temporary) {
      unlink(root + "/" + entry.name)
    }
    sweep()
  }

  // MARK: Images

  /// All images.
  package var all: [StoredImage] { state.withLock { $0.images.map(\.stored) } }

  /// The image of a name or hash.
  func image(_ name: String) -> Image? {
    let key = ImageReference(name).map(Self.key)
    return state.withLock { state in
      state.images.first { image in
        image.id == name
          || key != nil && image.names.contains { ImageReference($0).map(Self.key) == key }
      }
    }
  }

  /// What two names of the same image have in common.
  private static func key(_ reference: ImageReference) -> String {
    reference.canonicalName + (reference.digest.map { "@" + $0 } ?? ":" + (reference.tag ?? ""))
  }

  /// Adds an image whose parts are here; its names lead to no other one any longer.
  func add(_ image: Image) throws(FileFault) {
    var image = image
    try change { images in
      let names = image.names
      let own = Set(names.compactMap { ImageReference($0).map(Self.key) })
      for index in images.indices {
        if images[index].id == image.id { image.names += images[index].names }
        images[index].names.removeAll { name in
          ImageReference(name).map { own.contains(Self.key($0)) } ?? true
        }
      }
      image.names = names + image.names.filter { !names.contains($0) }
      images.removeAll { $0.id == image.id }
      images.append(image)
    }
  }

  /// Removes an image, and parts that no other one needs.
  package func remove(_ id: String) throws(FileFault) {
    try change { images in images.removeAll { $0.id == id } }
    sweep()
  }

  /// Removes parts that no image needs, unless one is being fetched: then they go another time.
  private func sweep() {
    state.withLock { state in
      guard state.fetches == 0 else { return }
      let used = Set(state.images.flatMap { [$0.id, $0.manifest] + $0.layers.map(\.digest) })
      // A folder that cannot be read is told by what needs it.
      for entry in (try? PrivateFile.entries(of: root + "/blobs/sha256")) ?? []
      where !used.contains("sha256:" + entry.name) {
        unlink(root + "/blobs/sha256/" + entry.name)
      }
    }
  }

  /// Keeps all parts meanwhile; those of an image that is refused go.
  func whileFetching(_ body: () async throws -> Void) async throws {
    state.withLock { $0.fetches += 1 }
    do {
      try await body()
    } catch {
      state.withLock { $0.fetches -= 1 }
      if let fault = error as? RuntimeFault, fault.code == .refused { sweep() }
      throw error
    }
    state.withLock { $0.fetches -= 1 }
  }

  private func change(_ body: (inout [Image]) -> Void) throws(FileFault) {
    // Written under the lock: of two lists the later one has to stay.
    try state.withLock { state throws(FileFault) in
      var images = state.images
      body(&images)
      let json: JSONValue = ["images": .array(images.map(\.json))]
      try PrivateFile.replace(root + "/images.json", with: JSON.bytes(json))
      state.images = images
    }
  }

  // MARK: Parts

  /// Where the part of a digest is.
  func path(_ digest: String) -> String {
    root + "/blobs/sha256/" + digest.dropFirst("sha256:".count)
  }

  /// Whether a part is here; it was checked when it came.
  func has(_ descriptor: ImageManifest.Descriptor) -> Bool {
    var information = stat()
    return stat(path(descriptor.digest), &information) == 0
      && Int64(information.st_size) == descriptor.size
  }

  /// Puts a part here, once `write` has written all of it to the open file.
  func put(_ digest: String, _ write: (Int32, String) async throws -> Void) async throws {
    let path = "\(root)/\(Self.temporary)\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw FileFault("make", path) }
    defer {
      close(file)
      unlink(path)
    }
    try await write(file, path)
    guard fsync(file) == 0 else { throw FileFault("sync", path) }
    try PrivateFile.move(path, to: self.path(digest))
  }

  /// A small part, checked once more.
  func content(_ digest: String) throws -> [UInt8] {
    let bytes = try PrivateFile.read(path(digest), limit: Self.configurationLimit)
    guard digest == "sha256:" + Hex.encode(Hashing.sha256(bytes)) else {
      throw RuntimeFault(.failed, "\(path(digest)) is damaged; remove the file and deploy again.")
    }
    return bytes
  }

  /// What an image says of how it is run.
  func configuration(of image: Image) throws -> JSONObject {
    guard let json = try JSON.parse(content(image.id))["config"] else { return [:] }
    return json.objectValue ?? [:]
  }

  /// The layers of an image as they are unpacked.
  func layers(of image: Image) -> [LayerUnpacker.Layer] {
    image.layers.map {
      LayerUnpacker.Layer(
        path: path($0.digest),
        digest: $0.digest,
        contentDigest: $0.contentDigest
      )
    }
  }
}

extension ImageStore.Image {
  var stored: StoredImage { StoredImage(id: id, names: names, byteCount: byteCount) }

  init?(_ json: JSONValue) {
    guard let id = json["id"]?.stringValue, ImageReference.isSHA256(id),
      let manifest = json["manifest"]?.stringValue, ImageReference.isSHA256(manifest),
      let layers = json["layers"]?.arrayValue, let names = json["names"]?.arrayValue
    else { return nil }
    self.init(
      id: id,
      manifest: manifest,
      layers: layers.compactMap { layer in
        guard let digest = layer["digest"]?.stringValue, ImageReference.isSHA256(digest),
          let content = layer["content"]?.stringValue
        else { return nil }
        return Layer(digest: digest, contentDigest: content)
      },
      names: names.compactMap(\.stringValue),
      byteCount: json["bytes"]?.int64Value ?? 0
    )
    guard self.layers.count == layers.count else { return nil }
  }

  var json: JSONValue {
    [
      "id": .string(id), "manifest": .string(manifest), "bytes": .int(byteCount),
      "names": .array(names.map { .string($0) }),
      "layers": .array(
        layers.map { ["digest": .string($0.digest), "content": .string($0.contentDigest)] }
      ),
    ]
  }
}
