/// Guesses what a misspelt word was meant to be.
package enum Spelling {
  /// The word of `known` that `word` is a typo of; nil if none is near enough to be a help.
  ///
  /// Near is one change in three characters, at least one and at most four: a letter left out,
  /// added, taken for another, or two that changed places. The first of several that are as near.
  package static func nearest(to word: String, among known: [String]) -> String? {
    let limit = min(4, max(1, word.utf8.count / 3))
    var best: (word: String, distance: Int)?
    for candidate in known {
      let distance = distance(Array(word.utf8), Array(candidate.utf8))
      if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.word
  }

  /// Edits from one to the other, a swap of neighbours being one (optimal string alignment).
  private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for row in first.indices {
      var current = [row + 1]
      current.reserveCapacity(second.count + 1)
      for column in second.indices {
        let isSame = first[row] == second[column]
        var edits = min(last[column + 1], current[column]) + 1
        edits = min(edits, last[column] + (isSame ? 0 : 1))
        if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
          edits = min(edits, beforeLast[column - 1] + 1)
        }
        current.append(edits)
      }
      (beforeLast, last) = (last, current)
    }
    return last[second.count]
  }
}
