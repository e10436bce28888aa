import ByteIO
import JSONTree

/// A signature in the "simple signing" form that cosign writes.
///
/// It lies in the image's repository, at a tag made of the image's digest: a manifest each of whose
/// layers is a payload, with the signature over its bytes in an annotation.
public struct ImageSignature: Equatable, Sendable {
  /// What was signed.
  public let payload: [UInt8]
  /// The signature, as the key's kind writes it.
  public let signature: [UInt8]

  /// Puts together what was read.
  public init(payload: [UInt8], signature: [UInt8]) {
    (self.payload, self.signature) = (payload, signature)
  }

  /// The longest payload that is read, in bytes.
  public static let payloadLimit = 64 << 10
  /// The most signatures of one image that are looked at.
  static let countLimit = 32
  private static let signatureLimit = 4096
  private static let layerType = "application/vnd.dev.cosign.simplesigning.v1+json"
  private static let annotation = "dev.cosignproject.cosign/signature"
  private static let payloadType = "cosign container image signature"

  /// The tag at which the signatures of the image with `digest` lie.
  public static func tag(of digest: String) -> String {
    String(digest.map { $0 == ":" ? "-" : $0 }) + ".sig"
  }

  /// A signature whose payload is still to be fetched.
  public struct Layer: Equatable, Sendable {
    /// The payload.
    public let payload: ImageManifest.Descriptor
    /// The signature over it.
    public let signature: [UInt8]
  }

  /// The signatures that a manifest lists; whatever else is in it is passed over.
  ///
  /// - Throws: `ImageFault` if it lists none that could be one.
  public static func layers(_ manifest: ImageManifest) throws(ImageFault) -> [Layer] {
    guard case .image(_, let layers) = manifest else {
      throw ImageFault("what lies at the signature's tag is no signature")
    }
    let found = layers.compactMap { layer -> Layer? in
      guard layer.mediaType == layerType, layer.size <= payloadLimit,
        let text = layer.annotations[annotation], text.utf8.count <= signatureLimit,
        let signature = Base64.decode(text)
      else { return nil }
      return Layer(payload: layer, signature: signature)
    }
    guard !found.isEmpty else {
      throw ImageFault("what lies at the signature's tag has no simple signing signature")
    }
    return Array(found.prefix(countLimit))
  }

  /// Checks that the payload is about an image.
  ///
  /// Whose signature it is, is not asked here.
  ///
  /// - Parameters:
  ///   - digest: the image's.
  ///   - repository: the image's, without its registry; nil to take a payload of any name.
  /// - Throws: `ImageFault` if the payload is about something else, or cannot be read.
  public func check(digest: String, repository: String?) throws(ImageFault) {
    guard payload.count <= Self.payloadLimit, let json = try? JSON.parse(payload),
      let critical = json["critical"]
    else { throw ImageFault("the signed payload is no JSON of the simple signing form") }
    guard critical["type"]?.stringValue == Self.payloadType else {
      throw ImageFault("the signed payload is not of the type \"\(Self.payloadType)\"")
    }
    guard let signed = critical["image"]?["docker-manifest-digest"]?.stringValue else {
      throw ImageFault("the signed payload names no digest")
    }
    guard signed == digest else {
      throw ImageFault("the signed payload is about \(Self.shown(signed)), not about \(digest)")
    }
    guard let repository else { return }
    let name = critical["identity"]?["docker-reference"]?.stringValue ?? ""
    guard let reference = ImageReference(name), reference.repository == repository else {
      throw ImageFault(
        "the signed payload is about an image called \"\(Self.shown(name))\", not \(repository)"
      )
    }
  }

  /// A text of somebody else's, short enough for a report and without what would garble it.
  private static func shown(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(200).filter { $0.value >= 0x20 }))
  }
}
