/// What is wrong with a description of an image, for a person.
public struct ImageFault: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong.
  public let description: String

  /// There is no signature of an image.
  public static let missing = ImageFault("its registry has no signature of it")
  /// There are signatures, and none is by who may sign.
  public static let untrusted = ImageFault(
    "no signature of it is by a key that is trusted for it"
  )

  init(_ description: String) { self.description = description }
}
