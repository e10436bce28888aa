internal import ByteIO

/// Conditions that are tried on the same messages.
///
/// Each condition is taken apart into its predicates, of which equal ones are one: what several
/// conditions ask is asked once per message. A property that is compared with a literal is compared
/// as bytes. What an evaluation needs is kept from one message to the next: trying a message
/// allocates nothing of its own.
public struct ConditionSet: Sendable {
  /// The conditions, by their numbers.
  public let conditions: [Condition]
  /// Whether some condition asks for the body.
  public let needsBody: Bool
  let dialect: Dialect
  /// For each condition the number of its decision, -1 if it is always true.
  let numbers: [Int]
  /// Where the steps of each distinct decision are.
  let decisions: [Range<Int>]
  let steps: [DecisionStep]
  let predicates: [Predicate]
  let literals: [UInt8]
  let literalRanges: [Range<Int>]
  let operands: [Program.Operand]
  let sources: [PropertySource]
  let programs: [Program]
  let properties: PropertyTable

  /// Joins `conditions`, which are all of `dialect`.
  public init(_ conditions: [Condition], dialect: Dialect) {
    var builder = ConditionSetBuilder()
    numbers = conditions.map { $0.isAlwaysTrue ? -1 : builder.add($0) }
    var steps: [DecisionStep] = []
    decisions = builder.decisions.map { decision in
      steps += decision
      return steps.count - decision.count..<steps.count
    }
    self.steps = steps
    predicates = builder.predicates
    var literals: [UInt8] = []
    literalRanges = builder.literals.map { literal in
      literals += literal
      return literals.count - literal.count..<literals.count
    }
    self.literals = literals
    operands = builder.operands
    // System properties stand behind the application properties in the table.
    sources = builder.sources.map { source in
      var source = source
      if source.system >= 0 { source.system += builder.applicationNames.count }
      return source
    }
    programs = builder.programs
    properties = PropertyTable(
      applicationNames: builder.applicationNames,
      systemNames: builder.systemNames,
      foldsCase: dialect.isEdge
    )
    self.conditions = conditions
    self.dialect = dialect
    needsBody = conditions.contains(where: \.needsBody)
  }

  /// The room that evaluating takes, for one thread.
  public func makeEvaluation() -> Evaluation { Evaluation(self) }
}
