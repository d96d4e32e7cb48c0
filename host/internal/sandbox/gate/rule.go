package gate

// Rule names the rule by which a module was refused. The names are stable: metrics,
// the API and tests use them.
type Rule string

// Rules of the binary format, of validation and of the contract.
const (
	RuleHeader    Rule = "header"     // the module begins with magic number and version 1
	RuleTruncated Rule = "truncated"  // nothing ends in the middle, no count exceeds the bytes left
	RuleInteger   Rule = "integer"    // LEB128 integers are no longer and no larger than their type allows
	RuleName      Rule = "name"       // names are UTF-8
	RuleSection   Rule = "section"    // sections come once, in order, and are as long as they say
	RuleEncoding  Rule = "encoding"   // every byte that chooses a form chooses one that exists
	RuleCount     Rule = "count"      // sections that belong together have equally many entries
	RuleFeature   Rule = "feature"    // no proposal that policies are not compiled with
	RuleIndex     Rule = "index"      // an index names something that exists
	RuleType      Rule = "type"       // operands have the types that instructions take
	RuleControl   Rule = "control"    // blocks are nested and closed
	RuleConstant  Rule = "constant"   // initial values are constant expressions
	RuleMutable   Rule = "mutable"    // constants are not written
	RuleAlignment Rule = "alignment"  // an access promises no more than its natural alignment
	RuleRange     Rule = "range"      // a minimum is at most the maximum
	RuleDuplicate Rule = "duplicate"  // exports have different names
	RuleDeclared  Rule = "declared"   // ref.func takes functions that are exported or in an element segment
	RuleDataCount Rule = "data count" // memory.init and data.drop need a data count section
	RuleImport    Rule = "import"     // imports are on the contract's list
	RuleExport    Rule = "export"     // exports are those of the contract
	RuleReserved  Rule = "reserved"   // names of the host's own are left to the host
)

// Rules that Limits bounds.
const (
	RuleModuleBytes  Rule = "module bytes"
	RuleTypes        Rule = "types"
	RuleParams       Rule = "params"
	RuleResults      Rule = "results"
	RuleImports      Rule = "imports"
	RuleFunctions    Rule = "functions"
	RuleTables       Rule = "tables"
	RuleTableEntries Rule = "table entries"
	RuleMemories     Rule = "memories"
	RuleMemoryPages  Rule = "memory pages"
	RuleGlobals      Rule = "globals"
	RuleExports      Rule = "exports"
	RuleElements     Rule = "element segments"
	RuleData         Rule = "data segments"
	RuleLocals       Rule = "locals"
	RuleAllLocals    Rule = "all locals"
	RuleBodyBytes    Rule = "body bytes"
	RuleDepth        Rule = "depth"
	RuleTargets      Rule = "branch targets"
	RuleOperands     Rule = "operands"
	RuleEffort       Rule = "compile effort"
)

// Rules returns all of them, in the order of their declaration.
func Rules() []Rule {
	return []Rule{
		RuleHeader, RuleTruncated, RuleInteger, RuleName, RuleSection, RuleEncoding, RuleCount,
		RuleFeature, RuleIndex, RuleType, RuleControl, RuleConstant, RuleMutable, RuleAlignment,
		RuleRange, RuleDuplicate, RuleDeclared, RuleDataCount, RuleImport, RuleExport, RuleReserved,
		RuleModuleBytes, RuleTypes, RuleParams, RuleResults, RuleImports, RuleFunctions, RuleTables,
		RuleTableEntries, RuleMemories, RuleMemoryPages, RuleGlobals, RuleExports, RuleElements,
		RuleData, RuleLocals, RuleAllLocals, RuleBodyBytes, RuleDepth, RuleTargets, RuleOperands,
		RuleEffort,
	}
}
