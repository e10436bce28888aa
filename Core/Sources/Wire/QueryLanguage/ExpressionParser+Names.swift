extension ExpressionParser {
  /// A path of a twin query, less the prefix that FROM allows.
  mutating func path() throws(QueryFault) -> Part {
    let start = token.offset
    let steps = try pathSteps()
    let end = tokens[index - 1].end
    return builder.load(.row(try rowPath(steps, from: start, to: end)), from: start, to: end)
  }

  /// Reads `name { . name | [ index ] | .[[ any ]] }`.
  mutating func pathSteps() throws(QueryFault) -> [PathStep] {
    var steps: [PathStep] = []
    switch token.kind {
    case .word(let word) where !isReserved(word): steps.append(.member(word))
    case .step(let name): steps.append(.member(name))
    default: throw fault(.expected(.name))
    }
    take()
    while true {
      switch token.kind {
      case .symbol(.dot):
        take()
        switch token.kind {
        // Behind a dot every word is a name, key words too.
        case .word(let word): steps.append(.member(word))
        case .step(let name): steps.append(.member(name))
        default: throw fault(.expected(.name))
        }
        take()
      case .step(let name):
        steps.append(.member(name))
        take()
      case .symbol(.leftBracket):
        take()
        guard case .number(.integer(let index)) = token.kind, let index = Int(exactly: index)
        else { throw fault(.malformedPath) }
        take()
        steps.append(.index(index))
        try expect(.rightBracket, "\"]\"")
      default: return steps
      }
    }
  }

  /// The path into the row: without `devices.` or the alias, identity fields in their spelling.
  func rowPath(_ steps: [PathStep], from start: Int, to end: Int) throws(QueryFault) -> [PathStep] {
    var steps = steps
    for prefix in prefixes where steps.starts(with: prefix.map { .member($0) }) {
      guard steps.count > prefix.count else {
        throw QueryFault(.malformedPath, offset: start, length: end - start, in: text)
      }
      steps.removeFirst(prefix.count)
      break
    }
    if case .member(let name)? = steps.first, let field = Self.identityField(name) {
      steps[0] = .member(field)
    }
    return steps
  }

  /// The spelling of an identity field in the twin object (hub contract section 7.5), whatever the
  /// case of `name`; the documentation itself writes `DeviceId`.
  private static func identityField(_ name: String) -> String? {
    switch name.asciiLowercased {
    case "deviceid": "deviceId"
    case "moduleid": "moduleId"
    case "modelid": "modelId"
    case "etag": "etag"
    case "deviceetag": "deviceEtag"
    case "status": "status"
    case "statusreason": "statusReason"
    case "statusupdatetime": "statusUpdateTime"
    case "connectionstate": "connectionState"
    case "lastactivitytime": "lastActivityTime"
    case "cloudtodevicemessagecount": "cloudToDeviceMessageCount"
    case "authenticationtype": "authenticationType"
    case "x509thumbprint": "x509Thumbprint"
    case "capabilities": "capabilities"
    case "devicescope": "deviceScope"
    case "parentscopes": "parentScopes"
    case "version": "version"
    default: nil
    }
  }

  /// What `$name` or `{$name}` asks for.
  mutating func system(
    _ name: String,
    forced: Bool,
    _ token: Token
  ) throws(QueryFault) -> Part {
    if dialect.isEdge { return try edgeSystem(name, forced: forced, token) }
    if !forced, let dot = name.utf8.firstIndex(of: UInt8(ascii: ".")) {
      let head = String(name[..<dot]).asciiLowercased
      if head == "body" || head == "twin" {
        guard let steps = PathStep.steps(String(name[name.utf8.index(after: dot)...])) else {
          throw fault(.malformedPath, at: token)
        }
        let operand: Program.Operand = head == "body" ? .body(steps) : .twin(steps)
        return builder.load(operand, from: token.offset, to: token.end)
      }
    }
    guard !name.utf8.contains(where: { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "]") }) else {
      throw fault(.malformedPath, at: token)
    }
    let operand: Program.Operand =
      forced ? .system(name) : .applicationOrSystem(application: "$" + name, system: name)
    return builder.load(operand, from: token.offset, to: token.end)
  }

  /// The same at the edge (edge contract sections 6.3 and 6.7): there is no `$twin`, a path has no
  /// quoted names and no wildcards, and an application property of the path's name goes first.
  private mutating func edgeSystem(
    _ name: String,
    forced: Bool,
    _ token: Token
  ) throws(QueryFault) -> Part {
    let hasBrackets = name.utf8.contains { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "]") }
    let lowercased = name.lowercased()
    let operand: Program.Operand
    if lowercased.hasPrefix("body.") {
      let path = String(name.utf8.dropFirst(5)) ?? ""
      guard let steps = PathStep.steps(path, allowsQuotes: false),
        !steps.contains(.member("*"))
      else { throw fault(.malformedPath, at: token) }
      // No property's name holds brackets.
      operand =
        forced || hasBrackets
        ? .body(steps) : .applicationOrBody(application: "$" + lowercased, steps)
    } else if hasBrackets {
      throw fault(.malformedPath, at: token)
    } else {
      operand =
        forced
        ? .system(lowercased)
        : .applicationOrSystem(application: "$" + lowercased, system: lowercased)
    }
    return builder.load(operand, from: token.offset, to: token.end)
  }
}

extension PathStep {
  /// The steps that `a.b[0].[[c d]]` spells, nil if it is no path.
  static func steps(_ path: String, allowsQuotes: Bool = true) -> [PathStep]? {
    let bytes = Array(path.utf8)
    var steps: [PathStep] = []
    var index = 0
    // Whether a name has to come: at the start, and behind a dot.
    var awaitsName = true
    while index < bytes.count {
      let start = index
      if allowsQuotes, bytes[index...].starts(with: [UInt8(ascii: "["), UInt8(ascii: "[")]) {
        index += 2
        while index + 1 < bytes.count,
          !(bytes[index] == UInt8(ascii: "]") && bytes[index + 1] == UInt8(ascii: "]"))
        {
          index += 1
        }
        guard index + 1 < bytes.count, index > start + 2 else { return nil }
        steps.append(.member(String(decoding: bytes[(start + 2)..<index], as: UTF8.self)))
        index += 2
        awaitsName = false
      } else if bytes[index] == UInt8(ascii: "[") {
        guard !awaitsName, let close = bytes[index...].firstIndex(of: UInt8(ascii: "]")) else {
          return nil
        }
        let digits = bytes[(index + 1)..<close]
        guard digits.allSatisfy(Lexer.isDigit),
          let number = Int(String(decoding: digits, as: UTF8.self))
        else { return nil }
        steps.append(.index(number))
        index = close + 1
      } else if bytes[index] == UInt8(ascii: ".") {
        guard !awaitsName else { return nil }
        awaitsName = true
        index += 1
      } else {
        guard awaitsName else { return nil }
        while index < bytes.count, bytes[index] != UInt8(ascii: "."),
          bytes[index] != UInt8(ascii: "["), bytes[index] != UInt8(ascii: "]")
        {
          index += 1
        }
        guard index > start else { return nil }
        steps.append(.member(String(decoding: bytes[start..<index], as: UTF8.self)))
        awaitsName = false
      }
    }
    return awaitsName ? nil : steps
  }
}
