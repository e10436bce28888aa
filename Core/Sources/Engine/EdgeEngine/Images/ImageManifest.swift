import JSONTree

/// What a registry says an image consists of: an OCI or Docker manifest, or an index of such for
/// several machines (OCI image specification 1.1).
public enum ImageManifest: Equatable, Sendable {
  /// One image.
  case image(config: Descriptor, layers: [Descriptor])
  /// The same image for several machines.
  case index([Descriptor])

  /// A piece of content: what it is, its hash and its size.
  public struct Descriptor: Equatable, Sendable {
    /// What it is.
    public let mediaType: String
    /// Its hash: `sha256:` and hexadecimal digits.
    public let digest: String
    /// Its size in bytes.
    public let size: Int64
    /// What else is said of it.
    public let annotations: [String: String]
    /// The machine that it is for, if that is told.
    public let platform: Platform?

    init(_ json: JSONValue, _ name: String) throws(ImageFault) {
      guard let digest = json["digest"]?.stringValue, ImageReference.isSHA256(digest) else {
        throw ImageFault("\(name) has no SHA-256 digest")
      }
      guard let size = json["size"]?.int64Value, size >= 0 else {
        throw ImageFault("\(name) has no size")
      }
      mediaType = json["mediaType"]?.stringValue ?? ""
      (self.digest, self.size) = (digest, size)
      var annotations: [String: String] = [:]
      for (key, value) in json["annotations"]?.objectValue ?? [:] {
        annotations[key] = value.stringValue
      }
      self.annotations = annotations
      platform = json["platform"].flatMap { platform in
        guard let os = platform["os"]?.stringValue,
          let architecture = platform["architecture"]?.stringValue
        else { return nil }
        return Platform(
          os: os,
          architecture: architecture,
          variant: platform["variant"]?.stringValue
        )
      }
    }
  }

  /// A kind of machine, in the words of registries.
  public struct Platform: Equatable, Sendable {
    /// Such as `linux`.
    public let os: String
    /// Such as `amd64`.
    public let architecture: String
    /// Such as `v7`.
    public let variant: String?

    /// Describes a kind of machine.
    public init(os: String, architecture: String, variant: String? = nil) {
      (self.os, self.architecture, self.variant) = (os, architecture, variant)
    }
  }

  /// What a client says that it can read.
  public static let mediaTypes = [
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
  ]
  /// The longest manifest that is read, in bytes, as registries have it.
  public static let byteLimit = 4 << 20
  /// The most layers, or machines.
  static let countLimit = 512

  /// Reads the bytes of a manifest.
  ///
  /// - Throws: `ImageFault` for what is none, or has more than the limits.
  public init(_ bytes: [UInt8]) throws(ImageFault) {
    guard bytes.count <= Self.byteLimit else { throw ImageFault("the manifest is too long") }
    let json: JSONValue
    do throws(JSONFault) {
      json = try JSON.parse(bytes)
    } catch {
      throw ImageFault("the manifest is no JSON, \(error)")
    }
    guard json["schemaVersion"]?.int64Value == 2 else {
      throw ImageFault("the manifest is not of schema version 2")
    }
    if let manifests = json["manifests"]?.arrayValue {
      self = .index(try Self.descriptors(manifests, "manifest"))
      return
    }
    guard let config = json["config"], let layers = json["layers"]?.arrayValue else {
      throw ImageFault("the manifest has neither config and layers nor manifests")
    }
    self = .image(
      config: try Descriptor(config, "the manifest's config"),
      layers: try Self.descriptors(layers, "layer")
    )
  }

  private static func descriptors(
    _ values: [JSONValue],
    _ name: String
  ) throws(ImageFault) -> [Descriptor] {
    guard values.count <= countLimit else {
      throw ImageFault("the manifest has more than \(countLimit) entries")
    }
    var found: [Descriptor] = []
    for (index, value) in values.enumerated() {
      found.append(try Descriptor(value, "\(name) \(index + 1) of the manifest"))
    }
    return found
  }
}
