// Package jsonl is the stream that the stages of sluice exchange: its record types, its reader
// and writer, and the rule by which a source is whole. This comment is its specification; the
// folder schema/ at the top of the module holds the same types as JSON Schema.
//
// # Lines
//
// A stream is UTF-8 text, one JSON object a line, a newline after every line, the last one
// included. A line is at most [MaxLine] bytes. Map keys are sorted, integers exact at any size,
// nothing is escaped for HTML. No record but begin and end holds a clock or a random value, so
// the same input gives the same bytes.
//
// Every record has a "type". A stage passes every line that it does not own through unchanged,
// byte for byte, types and fields that it does not know included.
//
// # Order
//
// A stage writes its [Begin] before anything else and its [End] after everything else. In
// between it first passes on what it reads, line by line, and then writes its own records in the
// order of the lines that they are about. So the stream that leaves the last stage of
//
//	git-fetch … | scan-tags | pick-tag
//
// reads
//
//	begin pick-tag, begin scan-tags, begin git-fetch, source, manifest…, end git-fetch,
//	image…, end scan-tags, pick…, end pick-tag
//
// and is the log of the whole run. A program in the pipe that writes neither begin nor end (jq,
// say) is fine as long as it adds and removes no manifest. One that replaces or drops manifests
// writes a begin and an end, and counts in its end what it took out and what it wrote.
//
// # Whole
//
// The exit status of a program upstream in a pipe is lost, so a stream says itself whether all
// of it arrived. A source is whole in a stream ([Tally.Whole]) when
//
//  1. every line parsed, and the last one ended in a newline;
//  2. at least one stage began, and each stage's begins and ends pair up;
//  3. every end says complete:true, or names incomplete sources and this one is not among them;
//  4. as many manifest records of it are there as the ends account for: wrote less took;
//  5. it stands at one revision, no object comes twice in it, and its source record is there.
//
// Only what belongs to a whole source may be deleted. A source that a stream does not mention
// keeps all it has.
//
// # Versions
//
// begin.v is 1. Within a version, fields and types are only added, so a reader must accept those
// it does not know. A reader that meets another version stops ([ErrVersion]).
//
// # Not promised
//
// The order of fields within a record, the wording of messages and hints, and the order of
// begins are for people and may change within a version. Field names are matched as encoding/json
// does, without regard to case: write them as they stand here.
package jsonl
