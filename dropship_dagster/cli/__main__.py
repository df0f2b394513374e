from dropship_dagster.cli import main

main()
