/// Where an image is fetched from.
public struct ImageSource: Equatable, Sendable {
  /// The image, with the parent's name for `$upstream`.
  public let reference: ImageReference
  /// What to fetch it with, nil for nothing.
  public let credential: RegistryCredential?

  /// Creates a source.
  public init(reference: ImageReference, credential: RegistryCredential? = nil) {
    (self.reference, self.credential) = (reference, credential)
  }
}

extension Agent {
  /// Where the image of a step is fetched from (edge contract section 2.5).
  ///
  /// - Parameters:
  ///   - image: as the step names it.
  ///   - ownCredentials: those of the daemon's settings, which come after the deployment's.
  /// - Returns: nil if the image is `$upstream`'s and there is no parent, or is no image at all.
  public func source(
    of image: String,
    ownCredentials: [RegistryCredential] = []
  ) -> ImageSource? {
    guard
      let reference = ImageReference(image)?.resolved(parentHostName: parentHostName)
    else { return nil }
    let credentials = (configuration?.runtime.registryCredentials ?? []) + ownCredentials
    let credential = credentials.credential(for: reference, parentHostName: parentHostName)
    return ImageSource(reference: reference, credential: credential)
  }
}
