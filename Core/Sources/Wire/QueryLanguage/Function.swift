/// The functions of the languages (hub contract section 9.4).
enum Function: Equatable, Sendable {
  case abs, exp, power, square, ceiling, floor, sign, sqrt
  case asNumber
  /// `as_number` where every number is a double.
  case asReal
  case isArray, isBool, isDefined, isNull, isNumber, isObject, isPrimitive, isString
  case concat, length, lower, upper, substring, indexOf
  case startsWith, endsWith, contains
  /// Takes a path, not a value: whether the change that a twin notice reports touches it.
  case twinChangeIncludes

  /// The function that `name` calls in `dialect`, whatever its case.
  init?(_ name: String, _ dialect: Dialect) {
    self.init(name)
    switch self {
    case .twinChangeIncludes where dialect.isTwinQuery: return nil
    case .asNumber where dialect.isEdge: self = .asReal
    // The edge has the functions of its contract's section 6.8 only, in one spelling.
    case .isArray where dialect.isEdge, .isObject where dialect.isEdge,
      .isPrimitive where dialect.isEdge, .twinChangeIncludes where dialect.isEdge,
      .startsWith where dialect.isEdge && !name.utf8.contains(UInt8(ascii: "_")),
      .endsWith where dialect.isEdge && !name.utf8.contains(UInt8(ascii: "_")):
      return nil
    default: break
    }
  }

  /// The function called `name`, whatever its case; twin queries also write some without `_`.
  private init?(_ name: String) {
    switch name.asciiLowercased {
    case "abs": self = .abs
    case "exp": self = .exp
    case "power": self = .power
    case "square": self = .square
    case "ceiling": self = .ceiling
    case "floor": self = .floor
    case "sign": self = .sign
    case "sqrt": self = .sqrt
    case "as_number": self = .asNumber
    case "is_array": self = .isArray
    case "is_bool": self = .isBool
    case "is_defined": self = .isDefined
    case "is_null": self = .isNull
    case "is_number": self = .isNumber
    case "is_object": self = .isObject
    case "is_primitive": self = .isPrimitive
    case "is_string": self = .isString
    case "concat": self = .concat
    case "length": self = .length
    case "lower": self = .lower
    case "upper": self = .upper
    case "substring": self = .substring
    case "index_of": self = .indexOf
    case "starts_with", "startswith": self = .startsWith
    case "ends_with", "endswith": self = .endsWith
    case "contains": self = .contains
    case "twin_change_includes": self = .twinChangeIncludes
    default: return nil
    }
  }

  /// How many arguments it takes.
  var argumentCount: ClosedRange<Int> {
    switch self {
    case .power, .indexOf, .startsWith, .endsWith, .contains: 2...2
    case .substring: 2...3
    case .concat: 2...QueryLimits.items
    default: 1...1
    }
  }

  /// The type of the argument at `index`; `dynamic` for any.
  func argumentType(_ index: Int) -> StaticType {
    switch self {
    case .abs, .exp, .power, .square, .ceiling, .floor, .sign, .sqrt: .number
    case .asNumber, .asReal, .concat, .length, .lower, .upper, .indexOf, .startsWith,
      .endsWith, .contains, .twinChangeIncludes:
      .text
    case .substring: index == 0 ? .text : .number
    case .isArray, .isBool, .isDefined, .isNull, .isNumber, .isObject, .isPrimitive, .isString:
      .dynamic
    }
  }

  /// The type of the result.
  var resultType: StaticType {
    switch self {
    case .abs, .exp, .power, .square, .ceiling, .floor, .sign, .sqrt, .asNumber, .asReal, .length,
      .indexOf:
      .number
    case .concat, .lower, .upper, .substring: .text
    case .isArray, .isBool, .isDefined, .isNull, .isNumber, .isObject, .isPrimitive, .isString,
      .startsWith, .endsWith, .contains, .twinChangeIncludes:
      .truth
    }
  }
}
