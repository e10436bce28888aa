/// Environment variables of a process.
package enum EnvironmentVariables {
  /// Variables of two sources, the second of which wins; names without regard to case.
  package static func joined(
    _ first: [String: String],
    _ second: [String: String]
  ) -> [String: String] {
    let names = Set(second.keys.map { $0.lowercased() })
    return second.merging(first.filter { !names.contains($0.key.lowercased()) }) { own, _ in own }
  }
}
