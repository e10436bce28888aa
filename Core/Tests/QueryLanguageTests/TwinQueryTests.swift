import JSONTree
import QueryLanguage
import Testing

@Suite("Twin queries (hub contract 7.7)")
struct TwinQueryTests {
  private static let twin: JSONValue = [
    "deviceId": "dev-1", "etag": "AAAAAAAAAAE=", "status": "enabled", "version": 7,
    "connectionState": "Connected", "lastActivityTime": "2026-01-02T03:04:05Z",
    "capabilities": ["iotEdge": true],
    "tags": ["site": "north", "floor": 3, "order": "x", "5g": true, "nil": nil, "list": [1, "b"]],
    "properties": [
      "desired": ["limit": 20.5, "$version": 4],
      "reported": ["fw": "1.2.10", "temp": ["max": 25, "min": -5], "é": 1],
    ],
    "configurations": ["my-conf": ["status": "Applied"], "a.b": ["status": "Targeted"]],
  ]

  @Test("conditions select what they say, and undefined selects nothing")
  func conditions() {
    let rows: [(String, Bool)] = [
      ("deviceId = 'dev-1'", true), ("DeviceId = 'dev-1'", true), ("DEVICEID = 'dev-1'", true),
      ("devices.deviceId = 'dev-1'", true), ("lastactivitytime > '2026-01-01'", true),
      ("Tags.site = 'north'", false), ("tags.Site = 'north'", false),
      ("tags.site = 'north'", true), ("tags.site = \"north\"", true),
      ("tags.floor = 3", true), ("tags.floor = 3.0", true), ("tags.floor = '3'", false),
      ("tags.floor != '3'", false), ("tags.floor != 4", true), ("tags.floor <> 4", true),
      ("tags.absent != 4", false), ("tags.absent = 4", false), ("NOT tags.absent = 4", false),
      ("NOT tags.floor = 4", true), ("NOT tags.floor = 3", false),
      ("NOT tags.floor = 4 AND tags.floor = 3", true), ("tags.order = 'x'", true),
      ("tags.5g = true", true), ("tags.5g", true), ("tags.5g = TRUE", true),
      ("tags.nil = null", true), ("tags.nil = NULL", true), ("tags.floor = null", false),
      ("tags.floor != null", true), ("tags.absent != null", false), ("tags.nil != null", false),
      ("tags.list[0] = 1", true), ("tags.list[1] = 'b'", true), ("tags.list[2] = 1", false),
      ("tags.list = 1", false), ("tags = 1", false), ("tags.[[site]] = 'north'", true),
      ("configurations.[[my-conf]].status = 'Applied'", true),
      ("configurations[[my-conf]].status = 'Applied'", true),
      ("configurations.[[a.b]].status = 'Targeted'", true),
      ("properties.desired.$version >= 4", true), ("properties.reported.é = 1", true),
      ("properties.reported.temp.max - properties.reported.temp.min = 30", true),
      ("properties.reported.temp.max-5 = 20", true), ("-properties.reported.temp.min = 5", true),
      ("properties.desired.limit * 2 = 41", true), ("version % 4 = 3", true),
      ("0x7 = version", true),
      ("version IN [5, 6, 7]", true), ("version in [5, 6]", false), ("version NOT IN [5, 6]", true),
      ("version NIN [5, 7]", false), ("version nin [-5, 6.5]", true), ("version IN []", false),
      ("version NIN []", true), ("tags.absent NIN [1]", false), ("version NIN ['a']", false),
      ("tags.nil IN [1, null]", true), ("status IN ['enabled', 'disabled'] AND true", true),
      ("NOT status IN ['disabled']", true), ("is_defined(tags.site)", true),
      ("IS_DEFINED(tags.absent)", false), ("NOT IS_DEFINED(tags.absent)", true),
      ("STARTSWITH(tags.site, 'no')", true), ("starts_with(deviceId, 'dev-')", true),
      ("ENDSWITH(deviceId, '1')", true), ("contains(deviceId, 'v')", true),
      ("LENGTH(deviceId) = 5", true), ("capabilities.iotEdge = true", true),
      ("connectionState = 'Connected' OR tags.absent = 1", true),
      ("(tags.floor = 3 OR tags.floor = 4) AND tags.site = 'south'", false),
      ("tags.floor = 3 OR tags.floor = 4 AND tags.site = 'south'", true),
      ("tags.floor /* floor */ = 3", true), ("tags.absent ?? true", true),
      ("\n tags.floor\t=\r\n3", true),
    ]
    for (condition, expected) in rows {
      do {
        let query = try TwinQuery("SELECT * FROM devices WHERE " + condition)
        #expect(query.matches(Self.twin) == expected, "\(condition)")
      } catch {
        Issue.record("\(condition): \(error.message)")
      }
    }
  }

  @Test("prefixes and aliases of the source are dropped from paths")
  func prefixes() throws {
    let texts = [
      "SELECT c.tags.site FROM devices c WHERE c.deviceId = 'dev-1'",
      "SELECT c.tags.site FROM devices AS c WHERE c.DeviceId = 'dev-1'",
      "SELECT devices.tags.site FROM devices WHERE devices.tags.floor = 3",
      "select tags.site from DEVICES c where c.tags.floor = 3 and tags.floor = 3",
      "SELECT tags.site FROM devices",
      "SELECT m.tags.site FROM devices.modules m WHERE m.tags.floor = 3",
      "SELECT devices.modules.tags.site FROM devices.modules",
    ]
    for text in texts {
      let query = try TwinQuery(text)
      #expect(query.matches(Self.twin), "\(text)")
      #expect(query.project(Self.twin) == ["site": "north"], "\(text)")
    }
  }

  @Test("sources, selections, TOP and item types")
  func statements() throws {
    let all = try TwinQuery("SELECT * FROM devices")
    #expect(all.source == .devices && all.selection == .all && all.top == nil)
    #expect(!all.isProjection && !all.isAggregation && all.matches(Self.twin))
    let top = try TwinQuery("select top 5 * from devices.modules")
    #expect(top.source == .modules && top.top == 5)
    let jobs = try TwinQuery("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j'")
    #expect(jobs.source == .jobs)
    #expect(jobs.matches(["jobId": "j"] as JSONObject))
    #expect(!jobs.matches(["jobId": "k"] as JSONObject))
    let count = try TwinQuery("SELECT COUNT() AS n FROM devices")
    #expect(count.isProjection && count.isAggregation)
  }

  @Test("projections take the last name, the alias, and leave out what is missing")
  func projections() throws {
    let rows: [(String, JSONObject)] = [
      ("deviceId", ["deviceId": "dev-1"]), ("DeviceID", ["deviceId": "dev-1"]),
      ("deviceId AS id", ["id": "dev-1"]), ("deviceId id", ["id": "dev-1"]),
      ("tags.floor, tags.site s", ["floor": 3, "s": "north"]),
      ("tags.absent, deviceId", ["deviceId": "dev-1"]), ("tags.list[1]", ["list": "b"]),
      ("tags.nil", ["nil": nil]), ("properties.reported.temp", ["temp": ["max": 25, "min": -5]]),
      ("configurations.[[my-conf]].status AS [[my status]]", ["my status": "Applied"]),
      ("tags.order", ["order": "x"]), ("tags.floor as a, tags.site as a", ["a": "north"]),
    ]
    for (items, expected) in rows {
      let query = try TwinQuery("SELECT \(items) FROM devices")
      #expect(query.project(Self.twin) == expected, "\(items)")
      #expect(query.isProjection && !query.isAggregation)
    }
  }

  @Test("target conditions stand alone (hub contract 7.8, 7.9)")
  func targetConditions() throws {
    let rows: [(String, TwinQuery.Source, Bool)] = [
      ("*", .devices, true), (" * ", .devices, true), ("", .devices, false),
      (" /* none */ ", .devices, false), ("tags.site = 'north'", .devices, true),
      ("tags.site = 'south'", .devices, false), ("devices.deviceId = 'dev-1'", .devices, true),
      ("FROM devices WHERE tags.floor = 3", .devices, true),
      ("FROM devices.modules WHERE moduleId = 'm'", .modules, false),
      ("from devices.modules m where m.tags.floor = 3", .modules, true),
      ("FROM devices.modules", .modules, true),
    ]
    for (text, source, matches) in rows {
      let query = try TwinQuery(targetCondition: text)
      #expect(query.source == source, "\(text)")
      #expect(query.matches(Self.twin) == matches, "\(text)")
    }
    let faults: [(String, QueryRule, Int)] = [
      ("* AND", .expected(.operatorOrEnd), 2), ("tags.a = ", .expected(.expression), 9),
      ("FROM devices.jobs", .unknownSource, 5),
      ("SELECT * FROM devices", .expected(.expression), 0),
      ("a = 1 GROUP BY a", .expected(.operatorOrEnd), 6), ("FROM x", .unknownSource, 5),
    ]
    for (text, rule, offset) in faults {
      let fault = try #require(throws: QueryFault.self) { try TwinQuery(targetCondition: text) }
      #expect(fault.rule == rule, "\(text)")
      #expect(fault.offset == offset, "\(text)")
    }
  }

  @Test("constraints tell a store what every matching row fulfils")
  func constraints() throws {
    let query = try TwinQuery(
      """
      SELECT * FROM devices WHERE DeviceId = 'a' AND 3 < tags.floor AND tags.x IN ['p', 1]
      AND IS_DEFINED(tags.y) AND (tags.z = 1 OR tags.z = 2) AND NOT tags.w = 1 AND tags.v >= -2
      AND tags.u NIN [1]
      """
    )
    let tags = PathStep.member("tags")
    #expect(
      query.constraints == [
        PathConstraint(path: [.member("deviceId")], test: .compares(.equal, "a")),
        PathConstraint(path: [tags, .member("floor")], test: .compares(.greater, 3)),
        PathConstraint(path: [tags, .member("x")], test: .isAmong(["p", 1])),
        PathConstraint(path: [tags, .member("y")], test: .isDefined),
        PathConstraint(path: [tags, .member("v")], test: .compares(.greaterOrEqual, -2)),
      ]
    )
    #expect(query.equalities.map(\.path) == [[.member("deviceId")]])
    #expect(query.equalities.map(\.value) == ["a"])
    #expect(try TwinQuery("SELECT * FROM devices").constraints.isEmpty)
    #expect(try TwinQuery("SELECT * FROM devices WHERE a = 1 OR b = 2").constraints.isEmpty)
  }
}

@Suite("Refused twin queries (hub contract 7.7)")
struct TwinQueryFaultTests {
  @Test("malformed texts are refused with the rule and the place")
  func malformed() {
    let rows: [(String, QueryRule, Int, Int)] = [
      ("", .expected(.word("SELECT")), 0, 0), ("FROM devices", .expected(.word("SELECT")), 0, 4),
      ("SELECT", .expected(.name), 6, 0), ("SELECT *", .expected(.word("FROM")), 8, 0),
      ("SELECT FROM devices", .expected(.name), 7, 4),
      ("SELECT *, a FROM devices", .expected(.word("FROM")), 8, 1),
      ("SELECT a, FROM devices", .expected(.name), 10, 4),
      ("SELECT a AS FROM devices", .expected(.name), 12, 4),
      ("SELECT * FROM", .unknownSource, 13, 0), ("SELECT * FROM twins", .unknownSource, 14, 5),
      ("SELECT * FROM devices.twins", .unknownSource, 22, 5),
      ("SELECT * FROM devices AS WHERE", .expected(.name), 25, 5),
      ("SELECT * FROM devices c d", .expected(.operatorOrEnd), 24, 1),
      ("SELECT * FROM devices WHERE", .expected(.expression), 27, 0),
      ("SELECT * FROM devices WHERE a =", .expected(.expression), 31, 0),
      ("SELECT * FROM devices WHERE a == 1", .foreignOperator, 30, 2),
      ("SELECT * FROM devices WHERE a = 1 b", .expected(.operatorOrEnd), 34, 1),
      ("SELECT * FROM devices ORDER BY a", .expected(.operatorOrEnd), 28, 2),
      ("SELECT * FROM devices WHERE a = 'x", .unterminatedText, 32, 1),
      ("SELECT * FROM devices WHERE a-b.c = #", .unexpectedCharacter, 36, 1),
      ("SELECT * FROM devices WHERE a. = 1", .expected(.name), 31, 1),
      ("SELECT * FROM devices WHERE a[x] = 1", .malformedPath, 30, 1),
      ("SELECT * FROM devices WHERE a[-1] = 1", .malformedPath, 30, 1),
      ("SELECT * FROM devices WHERE a[1.5] = 1", .malformedPath, 30, 3),
      ("SELECT * FROM devices WHERE a[1 = 1", .expected(.word("\"]\"")), 32, 1),
      ("SELECT * FROM devices WHERE a.[[b = 1", .unterminatedName, 30, 2),
      ("SELECT * FROM devices WHERE a.[[]] = 1", .malformedPath, 30, 4),
      ("SELECT * FROM devices WHERE a = 1x", .malformedNumber, 32, 2),
      ("SELECT * FROM devices WHERE a = 0x", .malformedNumber, 32, 2),
      ("SELECT * FROM devices WHERE a = 1.", .malformedNumber, 32, 2),
      ("SELECT * FROM devices WHERE a = 1e999", .malformedNumber, 32, 5),
      ("SELECT * FROM devices WHERE a IN 1", .expected(.word("\"[\"")), 33, 1),
      ("SELECT * FROM devices WHERE a IN [1", .expected(.word("\",\" or \"]\"")), 35, 0),
      ("SELECT * FROM devices WHERE a IN [b]", .expected(.constant), 34, 1),
      ("SELECT * FROM devices WHERE a IN [1,]", .expected(.constant), 36, 1),
      ("SELECT * FROM devices WHERE a IN [-'x']", .expected(.constant), 35, 3),
      ("SELECT * FROM devices WHERE a NOT 5", .expected(.operatorOrEnd), 30, 3),
      ("SELECT * FROM devices WHERE 'a' = 5", .operandTypes(.text, .number), 32, 1),
      ("SELECT * FROM devices WHERE 'a' + 5 = 1", .operandTypes(.text, .number), 32, 1),
      ("SELECT * FROM devices WHERE NOT 5", .operandType(.number), 28, 3),
      ("SELECT * FROM devices WHERE f(a)", .unknownFunction, 28, 1),
      ("SELECT * FROM devices WHERE twin_change_includes(a)", .unknownFunction, 28, 20),
      ("SELECT * FROM devices WHERE devices = 1", .malformedPath, 28, 7),
      ("SELECT * FROM devices WHERE $a{ = 1", .unexpectedCharacter, 30, 1),
      ("SELECT length(a) FROM devices", .unknownFunction, 7, 6),
      ("SELECT AVG() FROM devices", .expected(.name), 11, 1),
      ("SELECT AVG(a FROM devices", .expected(.word("\")\"")), 13, 4),
      ("SELECT COUNT(a) FROM devices", .expected(.word("\")\"")), 13, 1),
      ("SELECT c FROM devices c", .malformedPath, 7, 1),
      ("SELECT a, COUNT() FROM devices", .notGrouped, 7, 1),
      ("SELECT tags.a, tags.b FROM devices GROUP BY tags.a", .notGrouped, 15, 6),
      ("SELECT * FROM devices GROUP BY a", .notGrouped, 7, 1),
      ("SELECT a FROM devices GROUP a", .expected(.word("BY")), 28, 1),
      ("SELECT a FROM devices GROUP BY", .expected(.name), 30, 0),
      ("SELECT a FROM devices.jobs", .jobsSelectAll, 7, 1),
      ("SELECT TOP * FROM devices", .malformedTop, 11, 1),
      ("SELECT TOP 0 * FROM devices", .malformedTop, 11, 1),
      ("SELECT TOP 1.5 * FROM devices", .malformedTop, 11, 3),
      ("SELECT TOP -1 * FROM devices", .malformedTop, 11, 1),
      (String(repeating: " ", count: 8193), .textTooLong(limit: 8192), 8192, 1),
    ]
    for (text, rule, offset, length) in rows {
      do {
        _ = try TwinQuery(text)
        Issue.record("accepted: \(text)")
      } catch {
        #expect(error.rule == rule, "\(text)")
        #expect(error.offset == offset, "\(text)")
        #expect(error.length == length, "\(text)")
        #expect(!error.message.isEmpty)
      }
    }
  }
}
