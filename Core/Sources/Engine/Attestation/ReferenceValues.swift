/// How an image that we know stands now.
public enum ImageStanding: Equatable, Sendable {
  /// It may run.
  case current
  /// It is genuine, and there is a newer one to update to.
  case outdated
  /// It must not run any more.
  case revoked
}

/// What a layer of a device's start may look like (RFC 9334: reference value).
public struct LayerReference: Equatable, Sendable {
  /// Place in the order of the start, from 0.
  public var place: Int
  /// SHA-512 of the code.
  public var codeHash: [UInt8]
  /// Hash of whom the code had to be signed by.
  public var authorityHash: [UInt8]
  /// The configuration; nil if every one will do.
  public var configuration: [UInt8]?
  /// How it stands.
  public var standing: ImageStanding

  /// Creates a reference value.
  public init(
    place: Int,
    codeHash: [UInt8],
    authorityHash: [UInt8],
    configuration: [UInt8]? = nil,
    standing: ImageStanding
  ) {
    self.place = place
    self.codeHash = codeHash
    self.authorityHash = authorityHash
    self.configuration = configuration
    self.standing = standing
  }

  func matches(_ layer: DICELayer, at place: Int) -> Bool {
    self.place == place && codeHash == layer.codeHash && authorityHash == layer.authorityHash
      && (configuration == nil || configuration == layer.configuration)
  }
}

/// What an image of a component may look like (RFC 9334: reference value).
public struct ComponentReference: Equatable, Sendable {
  /// The image.
  public var measurement: ComponentMeasurement
  /// How it stands.
  public var standing: ImageStanding

  /// Creates a reference value.
  public init(_ measurement: ComponentMeasurement, standing: ImageStanding) {
    self.measurement = measurement
    self.standing = standing
  }
}

/// Everything that devices of a kind may run.
public struct ReferenceValues: Equatable, Sendable {
  /// The layers of the start; where several match, the best standing counts but for `revoked`.
  public var layers: [LayerReference]
  /// The images of components; likewise.
  public var components: [ComponentReference]

  /// Creates a set of reference values.
  public init(layers: [LayerReference], components: [ComponentReference]) {
    self.layers = layers
    self.components = components
  }

  /// How a layer stands; nil if it is not known.
  func standing(of layer: DICELayer, at place: Int) -> ImageStanding? {
    worstOrBest(layers.filter { $0.matches(layer, at: place) }.map { $0.standing })
  }

  /// How an image stands; nil if it is not known.
  func standing(of measurement: ComponentMeasurement) -> ImageStanding? {
    worstOrBest(components.filter { $0.measurement == measurement }.map { $0.standing })
  }

  /// A revocation outweighs every other entry; else one that allows is enough.
  private func worstOrBest(_ standings: [ImageStanding]) -> ImageStanding? {
    if standings.contains(.revoked) { return .revoked }
    return standings.contains(.current) ? .current : standings.first
  }
}
