#!/usr/bin/env bash
# Puts the tests' Elasticsearch into build/servers/elasticsearch, unless it is there: Maven fetches the artifacts of
# elasticsearch/pom.xml, javac compiles elasticsearch/Server.java. Needs the packages maven and openjdk-17-jdk-headless.
set -euo pipefail
sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/elasticsearch" && pwd)
target=$(cd "$sources/../../.." && pwd)/build/servers/elasticsearch

# The stamp is what it was made from.
stamp=$(cat "$sources/pom.xml" "$sources/Server.java" | sha256sum)
[ "$(cat "$target/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

rm -rf "$target.new"
mkdir -p "$target.new"
trap 'rm -rf "$target.new"' EXIT
mvn --quiet --batch-mode --file "$sources/pom.xml" dependency:copy-dependencies -DoutputDirectory="$target.new/lib"
javac -nowarn -cp "$target.new/lib/*" -d "$target.new" "$sources/Server.java"
echo "$stamp" >"$target.new/stamp"
rm -rf "$target"
mv "$target.new" "$target"
