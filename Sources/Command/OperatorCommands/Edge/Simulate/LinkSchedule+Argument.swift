package import Simulation

/// Why a text is no schedule, no traffic or no recorded message: what, and where in it.
package struct RehearsalFault: Error, Equatable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

extension LinkSchedule {
  /// The most phases of a text.
  private static let phaseLimit = 10_000

  /// Reads `up 2h, down 30d, up`: phases parted by commas, each with how long it takes.
  ///
  /// Only the last one may say no time, and goes on then; `repeat` as the last begins anew with the
  /// first.
  package init(text: String) throws(RehearsalFault) {
    var parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed }
    guard parts.count <= Self.phaseLimit else {
      throw RehearsalFault("it has more than \(Self.phaseLimit) phases")
    }
    let isRepeated = parts.last?.lowercased() == "repeat"
    if isRepeated { parts.removeLast() }
    var phases: [Phase] = []
    for (number, part) in parts.enumerated() {
      let words = part.split(whereSeparator: \.isWhitespace).map(String.init)
      let isLast = number == parts.count - 1
      guard let word = words.first, words.count <= 2,
        let isUp = ["up": true, "down": false][word.lowercased()]
      else {
        throw RehearsalFault(
          "phase \(number + 1), '\(part)', must be up or down with a time, such as 'down 30d'"
        )
      }
      guard words.count == 2 else {
        guard isLast, !isRepeated else {
          throw RehearsalFault(
            "phase \(number + 1), '\(part)', needs a time, such as '\(word) 2h': only the last one "
              + "may go on"
          )
        }
        phases.append(Phase(isUp: isUp, milliseconds: nil))
        continue
      }
      guard let span = TimeSpan(argument: words[1]), span.milliseconds > 0 else {
        throw RehearsalFault(
          "phase \(number + 1), '\(part)': '\(words[1])' is no time like 90s, 5m, 2h or 30d"
        )
      }
      phases.append(Phase(isUp: isUp, milliseconds: UInt64(clamping: span.milliseconds)))
    }
    self.init(phases, isRepeated: isRepeated)
  }
}
