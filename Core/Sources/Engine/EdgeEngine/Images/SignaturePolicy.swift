/// Which images have to be signed, and by whom.
public struct SignaturePolicy: Equatable, Sendable {
  /// What is asked of the images below a name.
  public struct Rule: Equatable, Sendable {
    /// A registry, a registry with the beginning of repositories, or `*` for every image.
    public let name: String
    /// Whether an image must be signed.
    public let isRequired: Bool
    /// Who may have signed it: the names of keys.
    public let keys: [String]
    /// Whether the signed payload must name the image's own repository.
    public let checksName: Bool

    /// Makes a rule.
    public init(name: String, isRequired: Bool, keys: [String], checksName: Bool = true) {
      (self.name, self.isRequired, self.keys) = (name, isRequired, keys)
      self.checksName = checksName
    }
  }

  /// Which name means every image.
  public static let everything = "*"

  /// The rules, in no order.
  public let rules: [Rule]
  /// The names of the rules, in the canonical form, with the parent's host.
  private let names: [[Substring]]

  /// Makes a policy; without rules no image has to be signed.
  ///
  /// - Parameters:
  ///   - rules: the rules.
  ///   - parentHostName: what `$upstream` in their names stands for.
  public init(_ rules: [Rule] = [], parentHostName: String? = nil) {
    self.rules = rules
    names = rules.map { rule in
      if rule.name == Self.everything { return [] }
      let name = Upstream.replaced(in: rule.name, by: parentHostName) ?? rule.name
      // A registry's name has no letters' case, and a repository has small letters alone.
      return name.lowercased().split(separator: "/")
    }
  }

  /// The rule for an image: the longest name that it is below; nil if there is none.
  public func rule(for image: ImageReference) -> Rule? {
    let path = image.canonicalName.split(separator: "/")
    let found = zip(rules, names).filter { path.starts(with: $0.1) }
    return found.max { $0.1.count < $1.1.count }?.0
  }
}
