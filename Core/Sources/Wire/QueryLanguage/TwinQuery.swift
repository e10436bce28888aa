public import JSONTree

/// A compiled query over twins, module twins or jobs (hub contract section 7.7).
///
/// It holds no rows: a store walks its rows, narrowed by `constraints` if it can, keeps those that
/// `matches`, and then answers them whole, projects them, or feeds an `Aggregation`.
public struct TwinQuery: Sendable {
  /// Where the rows come from.
  public enum Source: Equatable, Sendable {
    /// `devices`: the device twins.
    case devices
    /// `devices.modules`: the module twins.
    case modules
    /// `devices.jobs`: the devices' parts of jobs.
    case jobs
  }

  /// What is answered of a row.
  public enum Selection: Equatable, Sendable {
    /// `*`: the whole row.
    case all
    /// Paths and aggregates.
    case items([Item])
  }

  /// One column of the answer.
  public struct Item: Equatable, Sendable {
    /// Where the value comes from.
    public enum Content: Equatable, Sendable {
      /// The value at a path.
      case path([PathStep])
      /// A value that is computed from all rows of a group.
      case aggregate(Aggregate)
    }

    /// Where the value comes from.
    public let content: Content
    /// The member's name in the answer: the alias, or the last name of the path.
    public let name: String
  }

  /// The aggregate functions.
  public enum Aggregate: Equatable, Sendable {
    /// Rows of the group.
    case count
    /// Mean of the numbers at the path.
    case average([PathStep])
    /// Sum of the numbers at the path.
    case sum([PathStep])
    /// The least number or text at the path.
    case minimum([PathStep])
    /// The greatest number or text at the path.
    case maximum([PathStep])
  }

  /// Where the rows come from.
  public let source: Source
  /// What is answered of a row.
  public let selection: Selection
  /// The most rows of the answer, at least 1; nil for all.
  public let top: Int?
  /// The paths whose values make a group; empty without GROUP BY.
  public let groupBy: [[PathStep]]
  /// What is known of every row of the answer.
  ///
  /// The conjunctive parts of WHERE that compare a path with constants. Rows that fulfil them may
  /// still not match; rows that do not, never do.
  public let constraints: [PathConstraint]
  private let program: Program

  /// Compiles `text`, of at most 8192 characters.
  ///
  /// - Throws: the first rule that the text breaks, with its place.
  public init(_ text: String) throws(QueryFault) {
    var parser = try TwinQueryParser(text)
    self.init(try parser.query())
  }

  /// Compiles the target condition of a configuration or the query condition of a job (hub contract
  /// sections 7.8 and 7.9).
  ///
  /// `*` selects all devices, nothing but blanks selects none, `FROM devices.modules WHERE …` the
  /// modules that fulfil the condition, anything else the devices that do.
  ///
  /// - Throws: the first rule that the text breaks, with its place.
  public init(targetCondition text: String) throws(QueryFault) {
    var parser = try TwinQueryParser(text)
    self.init(try parser.targetCondition())
  }

  private init(_ parsed: TwinQueryParser.Query) {
    source = parsed.source
    selection = parsed.selection
    top = parsed.top
    groupBy = parsed.groupBy
    program = parsed.condition
    constraints = parsed.condition.constraints
  }

  /// The constraints that pin a path to one value.
  public var equalities: [(path: [PathStep], value: JSONValue)] {
    constraints.compactMap { constraint in
      guard case .compares(.equal, let value) = constraint.test else { return nil }
      return (constraint.path, value)
    }
  }

  /// Whether there is a WHERE, so that a row may not match.
  public var hasCondition: Bool { !program.steps.isEmpty }

  /// Whether the answer's rows are made from paths or aggregates and are not the stored rows: the
  /// item type is then `Raw` (hub contract section 7.7).
  public var isProjection: Bool { selection != .all }

  /// Whether rows have to go through an `Aggregation`: there are aggregates or groups.
  public var isAggregation: Bool {
    guard case .items(let items) = selection else { return false }
    return !groupBy.isEmpty
      || items.contains { if case .aggregate = $0.content { true } else { false } }
  }

  /// Whether `row` is in the answer: WHERE is true of it, not merely undefined.
  public func matches(_ row: some QueryRow) -> Bool {
    guard !program.steps.isEmpty else { return true }
    var machine = Machine(program)
    while let index = machine.run() {
      guard case .row(let path) = program.operands[index] else {
        machine.supply(.undefined)
        continue
      }
      machine.supply(Value(row.value(at: path)))
    }
    return machine.result.truth == .true
  }

  /// The answer's form of one row: the selected paths that it has, under their names.
  ///
  /// For `SELECT *` the stored row itself is the answer and this is empty.
  public func project(_ row: some QueryRow) -> JSONObject {
    var object = JSONObject()
    guard case .items(let items) = selection else { return object }
    for item in items {
      guard case .path(let path) = item.content, let value = row.value(at: path) else { continue }
      object[item.name] = value
    }
    return object
  }
}
