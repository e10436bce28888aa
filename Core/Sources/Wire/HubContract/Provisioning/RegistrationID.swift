/// The registration ID's rules (contract §1.3).
public enum RegistrationID {
  /// The form that is stored and compared: lower case; nil for what can't name a registration.
  ///
  /// 1 to 128 ASCII letters, digits and `- . _ :`, the last one alphanumeric or a dash.
  public static func normalized(_ text: String) -> String? {
    guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy(isLegal),
      let last = text.utf8.last, last == UInt8(ascii: "-") || isAlphanumeric(last)
    else { return nil }
    return SASResource.lowercase(text)
  }

  private static func isLegal(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"): true
    default: isAlphanumeric(byte)
    }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}

/// What names an enrollment: individual ones and groups have names of their own.
public enum EnrollmentKey: Hashable, Sendable {
  /// The enrollment of one registration ID, in its normal form.
  case individual(String)
  /// An enrollment group.
  case group(String)

  /// Which of the two it is.
  public var kind: EnrollmentKind {
    switch self {
    case .individual: .individual
    case .group: .group
    }
  }

  /// The name, apart from its kind.
  public var id: String {
    switch self {
    case .individual(let id), .group(let id): id
    }
  }

  /// The enrollment of `kind` called `id`; nil if that breaks the rule of names.
  public init?(_ kind: EnrollmentKind, _ id: String) {
    guard let id = RegistrationID.normalized(id) else { return nil }
    self = kind == .individual ? .individual(id) : .group(id)
  }
}

/// The two kinds of enrollments.
public enum EnrollmentKind: String, Sendable, CaseIterable {
  /// One device.
  case individual
  /// Any number of devices with a common secret or signer.
  case group
}
